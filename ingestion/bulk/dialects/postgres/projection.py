"""The typed projection: `select` for engines that need typed SQL, `wire` as COPY prints it for our own reader."""

import json

import pyarrow as pa

from ingestion.bulk.dialects.postgres.connection import literal, quoted, relation
from ingestion.bulk.dialects.postgres.types import TEXT
from ingestion.bulk.model import Chunk, Column, SourceTable

_BOUNDS = {
    "date": ("date '0001-01-01'", "date '9999-12-31'"),
    "timestamp": ("timestamp '0001-01-01 00:00:00'", "timestamp '9999-12-31 23:59:59.999999'"),
    "timestamptz": ("timestamptz '0001-01-01 00:00:00+00'", "timestamptz '9999-12-31 23:59:59.999999+00'"),
}
_MOST = 90  # a function takes at most 100 arguments
_EMPTY = "''"


def select(table: SourceTable, chunk: Chunk) -> str:
    """Typed values, or null and their text in `_raw_overflow`: a JSON object as text, null where nothing overflowed."""
    columns = [f"{typed(column)} as {quoted(column.field.name)}" for column in table.columns]
    return f"select {', '.join(columns)}, {overflow(table)} as _raw_overflow {source(table, chunk)}"


def wire(table: SourceTable, chunk: Chunk) -> str:
    """Values as COPY prints them, nothing checked or cut: the reader settles what a raw type cannot hold."""
    return f"select {', '.join(_printed(column) for column in table.columns)} {source(table, chunk)}"


def source(table: SourceTable, chunk: Chunk) -> str:
    """`from ... where ...` of a chunk; `only`, because tables that inherit are tables of their own."""
    only = "" if table.kind == "partitioned" and not chunk.relation else "only "
    return f"from {only}{chunk.relation or relation(table.schema, table.name)}" + where(
        table.condition(chunk.predicate, quoted)
    )


def where(predicate: str) -> str:
    """The predicate as a clause, empty without one."""
    return f" where {predicate}" if predicate else ""


def value(column: Column) -> str:
    """The raw value before its range is looked at."""
    return column.expression.format(quoted(column.name))


def fits(column: Column) -> str:
    """A condition that is false for what the raw type cannot hold, null for null; empty if all values fit."""
    if not column.can_overflow:
        return ""
    if pa.types.is_decimal(column.field.type):
        return f"{value(column)} <> 'NaN'::numeric"
    low, high = _bounds(column)
    return f"{value(column)} between {low} and {high}"


def typed(column: Column) -> str:
    """The raw value, and for what does not fit whatever the column's policy says."""
    fit = fits(column)
    if not fit:
        return value(column)
    if column.policy == "clamp" and not pa.types.is_decimal(column.field.type):
        low, high = _bounds(column)
        raw = value(column)
        return f"case when {raw} < {low} then {low} when {raw} > {high} then {high} else {raw} end"
    if column.policy == "fail":
        words = literal(f"out of range, see out_of_range of {column.name} in config/sources.yaml: ")
        kind = _family(column)
        return f"case when {fit} then {value(column)} else ({words} || {quoted(column.name)}::text)::{kind} end"
    return f"case when {fit} then {value(column)} end"


def keeps_text(column: Column) -> bool:
    """Whether the text of a value that does not fit goes to `_raw_overflow`; NaN has no nearest number."""
    clamped = column.policy == "clamp" and pa.types.is_decimal(column.field.type)
    return column.can_overflow and (column.policy == "keep_text" or clamped)


def overflow(table: SourceTable) -> str:
    """The texts of what does not fit, by raw name, in the order of the columns."""
    kept = [column for column in table.columns if keeps_text(column)]
    if not kept:
        return "null::text"
    pairs = [
        f"case when not ({fits(column)}) then {literal(_json(column) + ': ')} "
        f"|| to_json({quoted(column.name)}::text)::text end"
        for column in kept
    ]
    parts = [f"concat_ws(', ', {', '.join(pairs[at : at + _MOST])})" for at in range(0, len(pairs), _MOST)]
    joined = (
        parts[0] if len(parts) == 1 else f"concat_ws(', ', {', '.join(f'nullif({one}, {_EMPTY})' for one in parts)})"
    )
    some = " or ".join(f"not ({fits(column)})" for column in kept)
    return f"case when {some} then '{{' || {joined} || '}}' end"


def _json(column: Column) -> str:
    return json.dumps(column.field.name, ensure_ascii=False)


def _printed(column: Column) -> str:
    if pa.types.is_binary(column.field.type):
        return f"encode({quoted(column.name)}, 'hex')"
    return quoted(column.name) if column.expression == TEXT else value(column)


def _family(column: Column) -> str:
    kind = column.field.type
    if pa.types.is_decimal(kind):
        return "numeric"
    if pa.types.is_date(kind):
        return "date"
    return "timestamptz" if kind.tz else "timestamp"


def _bounds(column: Column) -> tuple[str, str]:
    return _BOUNDS[_family(column)]
