"""The row hash of `ingestion.bulk.rowhash` as PostgreSQL computes it."""

import pyarrow as pa

from ingestion.bulk.dialects.postgres.connection import quoted
from ingestion.bulk.dialects.postgres.projection import fits, keeps_text, source, typed, value
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.rowhash import MODULUS, NULL, OVERFLOWED, PRESENT, SEPARATOR


def row_hash(table: SourceTable, predicate: str) -> str:
    """See Dialect.row_hash."""
    total = f"mod(mod(coalesce(sum({_signed(table)}), 0), {MODULUS}) + {MODULUS}, {MODULUS})"
    return f"select count(*), {total}::text {source(table, _all(predicate))}"


def row_hashes(table: SourceTable, predicate: str) -> str:
    """See Dialect.row_hashes."""
    columns = {column.name: column for column in table.columns}
    keys = "".join(f"{_text(columns[name], value(columns[name]))}, " for name in table.key)
    unsigned = f"mod({_signed(table)}::numeric + {MODULUS}, {MODULUS})::text"
    return f"select {keys}{unsigned} {source(table, _all(predicate))}"


def _all(predicate: str) -> Chunk:
    return Chunk("", predicate, 0, 0)


def _signed(table: SourceTable) -> str:
    values = ", ".join(canonical(column) for column in table.columns)
    joined = f"concat_ws(chr({ord(SEPARATOR)}), {values})" if len(table.columns) <= 99 else _long(table)
    return f"('x' || substr(md5(convert_to({joined}, 'UTF8')), 1, 16))::bit(64)::bigint"


def _long(table: SourceTable) -> str:
    """A function takes at most 100 arguments."""
    return f" || chr({ord(SEPARATOR)}) || ".join(canonical(column) for column in table.columns)


def canonical(column: Column) -> str:
    """A column's text in a row's hash."""
    held = f"'{PRESENT}' || {_text(column, typed(column))}"
    if keeps_text(column):
        raw = quoted(column.name)
        kept = f"case when not ({fits(column)}) then '{OVERFLOWED}' || {raw}::text end"
        return f"coalesce({held}, {kept}, '{NULL}')"
    return f"coalesce({held}, '{NULL}')"


def _text(column: Column, expression: str) -> str:
    """The canonical text of a typed value."""
    kind = column.field.type
    if pa.types.is_floating(kind):
        return f"case when {expression} = 'NaN' then 'NaN' else encode(float8send(({expression})::float8), 'hex') end"
    if pa.types.is_binary(kind):
        return f"encode({expression}, 'hex')"
    if pa.types.is_timestamp(kind):
        return f"to_char({expression}, 'YYYY-MM-DD HH24:MI:SS.US')"
    if pa.types.is_boolean(kind):
        return f"left(({expression})::text, 1)"
    return f"({expression})::text" if not pa.types.is_string(kind) else f"({expression})"
