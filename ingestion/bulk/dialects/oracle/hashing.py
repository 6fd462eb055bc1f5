"""The row hash of `ingestion.bulk.rowhash` as Oracle computes it."""

import pyarrow as pa

from ingestion.bulk.dialects.oracle.projection import fits, kept, printed, source, typed, value
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.rowhash import MODULUS, NULL, OVERFLOWED, PRESENT, SEPARATOR

_LARGE = ("CLOB", "NCLOB", "BLOB", "JSON", "XMLTYPE")
_SHORT = 3000  # bytes of a row's text that surely fit into a varchar2
_WIDTH = 110


def row_hash(table: SourceTable, predicate: str) -> str:
    """See Dialect.row_hash."""
    total = f"mod(nvl(sum({_unsigned(table)}), 0), {MODULUS})"
    return f"select count(*), to_char({total}) {source(table, Chunk('', predicate, 0, 0))}"


def row_hashes(table: SourceTable, predicate: str) -> str:
    """See Dialect.row_hashes."""
    columns = {column.name: column for column in table.columns}
    keys = "".join(f"{_text(columns[name], value(columns[name]))}, " for name in table.key)
    return f"select {keys}to_char({_unsigned(table)}) {source(table, Chunk('', predicate, 0, 0))}"


def _unsigned(table: SourceTable) -> str:
    joined = f" || chr({ord(SEPARATOR)}) || ".join(canonical(column) for column in table.columns)
    if len(table.columns) * _WIDTH > _SHORT or any(one.source_type.startswith(_LARGE) for one in table.columns):
        digest = f"rawtohex(dbms_crypto.hash(to_clob('') || {joined}, 2))"  # 2 is md5; text is hashed as UTF-8
    else:
        digest = f"rawtohex(standard_hash(convert({joined}, 'AL32UTF8'), 'MD5'))"
    return f"to_number(substr({digest}, 1, 16), 'XXXXXXXXXXXXXXXX')"


def canonical(column: Column) -> str:
    """A column's text in a row's hash."""
    out = ""
    if kept(column):
        out = f"when {kept(column)} then '{OVERFLOWED}' || {printed(column)} "
    elif column.can_overflow and column.policy == "null":
        out = f"when not {fits(column)} then '{NULL}' "
    held = f"'{PRESENT}' || {_text(column, typed(column))}"
    return f"case when {value(column)} is null then '{NULL}' {out}else {held} end"


def _text(column: Column, expression: str) -> str:
    """The canonical text of a typed value."""
    kind = column.field.type
    if pa.types.is_floating(kind):
        bits = f"lower(rawtohex(utl_raw.cast_from_binary_double(to_binary_double({expression}))))"
        return f"case when {expression} is nan then 'NaN' else {bits} end"
    if pa.types.is_decimal(kind):
        whole = "9" * (kind.precision - kind.scale - 1)
        fraction = f".{'0' * kind.scale}" if kind.scale else ""
        return f"to_char({expression}, 'FM{whole}0{fraction}')"
    if pa.types.is_binary(kind):
        return f"lower(rawtohex({expression}))"
    if pa.types.is_timestamp(kind):
        return f"to_char({expression}, 'YYYY-MM-DD HH24:MI:SS.FF6')"
    return expression
