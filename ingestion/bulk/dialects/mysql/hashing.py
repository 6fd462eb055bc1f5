"""The row hash of `ingestion.bulk.rowhash` as MySQL and MariaDB compute it."""

import pyarrow as pa

from ingestion.bulk.dialects.mysql.connection import quoted
from ingestion.bulk.dialects.mysql.projection import fits, keeps_text, source, typed, value
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.rowhash import MODULUS, NULL, OVERFLOWED, PRESENT, SEPARATOR

_SMALLEST_NORMAL = "2.2250738585072014e-308"
_TWO_TO_52 = "4503599627370496"


def row_hash(table: SourceTable, predicate: str) -> str:
    """See Dialect.row_hash."""
    total = f"coalesce(sum(cast({_unsigned(table)} as decimal(20, 0))), 0)"
    return f"select count(*), cast(mod({total}, {MODULUS}) as char) {source(table, _all(predicate))}"


def row_hashes(table: SourceTable, predicate: str) -> str:
    """See Dialect.row_hashes."""
    columns = {column.name: column for column in table.columns}
    keys = "".join(f"{_text(columns[name], value(columns[name]))}, " for name in table.key)
    return f"select {keys}cast({_unsigned(table)} as char) {source(table, _all(predicate))}"


def _all(predicate: str) -> Chunk:
    return Chunk("", predicate, 0, 0)


def _unsigned(table: SourceTable) -> str:
    values = ", ".join(canonical(column) for column in table.columns)
    digest = f"md5(concat_ws(_utf8mb4 x'{ord(SEPARATOR):02x}', {values}))"
    return f"conv(substr({digest}, 1, 16), 16, 10)"


def canonical(column: Column) -> str:
    """A column's text in a row's hash."""
    held = f"concat('{PRESENT}', {_text(column, typed(column))})"
    if keeps_text(column):
        kept = f"case when not {fits(column)} then concat('{OVERFLOWED}', cast({quoted(column.name)} as char)) end"
        return f"coalesce({held}, {kept}, '{NULL}')"
    return f"coalesce({held}, '{NULL}')"


def _text(column: Column, expression: str) -> str:
    """The canonical text of a typed value."""
    kind = column.field.type
    if pa.types.is_floating(kind):
        return _double_bits(expression)
    if pa.types.is_binary(kind):
        return f"lower(hex({expression}))"
    if pa.types.is_timestamp(kind):
        return f"date_format({expression}, '%Y-%m-%d %H:%i:%s.%f')"
    if pa.types.is_date(kind):
        return f"date_format({expression}, '%Y-%m-%d')"
    if pa.types.is_string(kind):
        return f"convert({expression} using utf8mb4)"
    return f"cast({expression} + 0 as char)"  # the sum has no zeros in front, whatever the column shows


def _double_bits(number: str) -> str:
    """The 16 hex digits of an IEEE 754 double, by arithmetic that is exact: only by and with powers of two."""
    size = f"abs({number})"
    near = f"least(1023, floor(log2({size})))"
    exponent = (
        f"({near} + case when {size} / 2 >= pow(2, {near}) then 1 when {size} < pow(2, {near}) then -1 else 0 end)"
    )
    fraction = f"cast(({size} / pow(2, {exponent}) - 1) * {_TWO_TO_52}e0 as unsigned)"
    normal = f"cast({exponent} + 1023 as unsigned) * {_TWO_TO_52} + {fraction}"
    tiny = f"cast({size} * pow(2, 1000) * pow(2, 74) as unsigned)"
    bits = f"case when {size} = 0 then 0 when {size} < {_SMALLEST_NORMAL} then {tiny} else {normal} end"
    sign = f"case when cast({number} as char) like '-%%' then 9223372036854775808 else 0 end".replace("%%", "%")
    return f"case when {number} is not null then lower(lpad(hex(({bits}) | ({sign})), 16, '0')) end"
