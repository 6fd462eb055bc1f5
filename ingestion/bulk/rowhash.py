"""The hash of a row, the same from the source's SQL and from the lake, and sums of it that do not depend on order.

A row is the text of its columns in the table's order, joined with SEPARATOR; its hash is the first 64 bits of the md5
of that text in UTF-8, read as an unsigned number, and a table's is their sum modulo 2^64. A column's text is NULL, or
PRESENT and the value in raw's type, or OVERFLOWED and the text kept in `_raw_overflow`. Values are written as
- numbers without fraction in decimal; decimals with all digits of their scale; booleans as t or f,
- floats as the 16 hex digits of their IEEE 754 double (no decimal text is the same everywhere); NaN as NaN,
- dates as YYYY-MM-DD, times as YYYY-MM-DD HH:MM:SS.ffffff in UTC, binary in hex, text as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.bulk.model import Column

SEPARATOR = "\x1f"
NULL, PRESENT, OVERFLOWED = "-", "=", "!"
MODULUS = 2**64


@dataclass(frozen=True)
class Total:
    """Of any number of rows; `+` joins disjoint sets of rows."""

    rows: int
    hash: int

    def __add__(self, other: "Total") -> "Total":
        return Total(self.rows + other.rows, (self.hash + other.hash) % MODULUS)

    @property
    def text(self) -> str:
        """The hash as `Dialect.row_hash` gives it."""
        return str(self.hash)


def total(rows: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> Total:
    """Of rows of a raw table that hold `columns` and `_raw_overflow`."""
    prepared = _prepared(rows, columns)
    with duckdb.connect() as session:
        session.register("prepared", prepared)
        found = session.execute(f"select count(*), coalesce(sum({_hash(columns)}), 0) from prepared").fetchone()
    assert found is not None
    return Total(int(found[0]), int(found[1]) % MODULUS)


def each(rows: pa.Table | pa.RecordBatch, columns: Sequence[Column], key: Sequence[str]) -> pa.Table:
    """A row per row: the canonical texts of the columns of `key` (source's names), then `hash`, all as text."""
    prepared = _prepared(rows, columns)
    places = {column.name: number for number, column in enumerate(columns)}
    texts = "".join(f"{_text(columns[places[name]], places[name])} as k{place}, " for place, name in enumerate(key))
    with duckdb.connect() as session:
        session.register("prepared", prepared)
        table: pa.Table = session.sql(
            f"select {texts}cast({_hash(columns)} as varchar) as hash from prepared"
        ).to_arrow_table()
    return table.rename_columns([*key, "hash"])


def digests(rows: pa.Table, columns: Sequence[Column]) -> pa.ChunkedArray:
    """Of each row, the md5 (32 hex digits) of the canonical texts of `columns`, each with its length before it.

    In the order of the rows. Two rows have the same digest only if they agree in all of `columns`, kept texts included.
    """
    prepared = _prepared(rows, columns)
    texts = (_canonical(column, number) for number, column in enumerate(columns))
    joined = ", ".join(f"length({text}) || ':' || {text}" for text in texts)
    with duckdb.connect(config={"threads": 1}) as session:
        session.register("prepared", prepared)
        found: pa.Table = session.sql(f"select md5(concat_ws(' ', {joined})) as digest from prepared").to_arrow_table()
    return found["digest"]


def _hash(columns: Sequence[Column]) -> str:
    joined = ", ".join(_canonical(column, number) for number, column in enumerate(columns))
    return f"cast('0x' || substr(md5(concat_ws(chr({ord(SEPARATOR)}), {joined})), 1, 16) as ubigint)"


def _canonical(column: Column, number: int) -> str:
    kept = f"'{OVERFLOWED}' || o{number}, " if column.can_overflow else ""
    return f"coalesce('{PRESENT}' || {_text(column, number)}, {kept}'{NULL}')"


def _text(column: Column, number: int) -> str:
    kind = column.field.type
    if pa.types.is_floating(kind):
        return f"case when n{number} then 'NaN' else lower(printf('%016x', c{number})) end"
    if pa.types.is_binary(kind):
        return f"lower(hex(c{number}))"
    if pa.types.is_timestamp(kind):
        return f"strftime(c{number}, '%Y-%m-%d %H:%M:%S.%f')"
    if pa.types.is_boolean(kind):
        return f"case c{number} when true then 't' when false then 'f' end"
    text = f"cast(c{number} as varchar)"
    if pa.types.is_decimal(kind) and kind.precision == kind.scale:
        return f"regexp_replace({text}, '^(-?)[.]', '\\10.')"  # DuckDB leaves the zero out where no digit stands before
    return text


def _prepared(rows: pa.Table | pa.RecordBatch, columns: Sequence[Column]) -> pa.Table:
    """The columns under names of ours: floats as the bits of their doubles, times without zone, kept texts apart."""
    table = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
    overflow = table["_raw_overflow"] if "_raw_overflow" in table.column_names else None
    made: dict[str, pa.ChunkedArray] = {}
    for number, column in enumerate(columns):
        array = table[column.field.name].cast(column.field.type)
        if pa.types.is_floating(array.type):
            doubles = array.cast(pa.float64())
            made[f"n{number}"] = pc.is_nan(doubles)
            made[f"c{number}"] = pa.chunked_array([one.view(pa.uint64()) for one in doubles.chunks], pa.uint64())
        elif pa.types.is_timestamp(array.type):
            made[f"c{number}"] = array.cast(pa.timestamp("us"))
        else:
            made[f"c{number}"] = array
        if column.can_overflow:
            made[f"o{number}"] = _kept(overflow, column.field.name, table.num_rows)
    return pa.table(made)


def _kept(overflow: pa.ChunkedArray | None, name: str, rows: int) -> pa.ChunkedArray:
    if overflow is None or overflow.null_count == rows:
        return pa.chunked_array([pa.nulls(rows, pa.string())])
    key = pa.scalar(name, overflow.type.key_type)  # readers of the lake give large strings
    return pc.map_lookup(overflow, query_key=key, occurrence="first").cast(pa.string())
