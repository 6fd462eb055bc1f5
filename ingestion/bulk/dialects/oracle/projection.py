"""The typed projection: `select` for engines that need typed SQL, `wire` as text for our own reader.

Everything is read as of one SCN. Statements that pass through others' hands hold POSITION, which is a comment to the
server until a reader writes its SCN there; Spark's connections are set to the SCN as a whole instead.
"""

import pyarrow as pa

from ingestion.bulk.dialects.oracle.connection import literal, quoted, relation
from ingestion.bulk.model import Chunk, Column, SourceTable

POSITION = "/*as of*/"
_FIRST, _LAST = "timestamp '0001-01-01 00:00:00'", "timestamp '9999-12-31 23:59:59.999999'"


def at(sql: str, scn: int) -> str:
    """The statement as of `scn`."""
    return sql.replace(POSITION, f"as of scn {scn}")


def select(table: SourceTable, chunk: Chunk) -> str:
    """Typed values, or null and their text in `_raw_overflow`: a JSON object as text, null where nothing overflowed."""
    columns = [f"{typed(column)} as {quoted(column.field.name)}" for column in table.columns]
    return f'select {", ".join(columns)}, {overflow(table)} as "_raw_overflow" {source(table, chunk)}'


def wire(table: SourceTable, chunk: Chunk) -> str:
    """Values as text where the driver's own types would lose something; the reader settles what does not fit."""
    return f"select {', '.join(printed(column) for column in table.columns)} {source(table, chunk)}"


def source(table: SourceTable, chunk: Chunk) -> str:
    """`from ... where ...` of a chunk."""
    condition = table.condition(chunk.predicate, quoted)
    where = f" where {condition}" if condition else ""
    return f"from {relation(table.schema, table.name)} {POSITION}{where}"


def value(column: Column) -> str:
    """The raw value before its range is looked at."""
    return column.expression.format(quoted(column.name))


def fits(column: Column) -> str:
    """A condition that is false for what the raw type cannot hold, null for null; empty if all values fit."""
    if not column.can_overflow:
        return ""
    kind = column.field.type
    if pa.types.is_decimal(kind):
        raw = value(column)
        return f"(abs({raw}) < 1e{kind.precision - kind.scale} and round({raw}, {kind.scale}) = {raw})"
    whole = f" and mod(extract(second from {value(column)}) * 1000000, 1) = 0" if _is_finer(column) else ""
    return f"({value(column)} >= {_FIRST} and {value(column)} <= {_LAST}{whole})"


def typed(column: Column) -> str:
    """The raw value, and for what does not fit whatever the column's policy says."""
    fit = fits(column)
    if not fit:
        return value(column)
    if column.policy == "clamp" and pa.types.is_timestamp(column.field.type):
        return f"case when {value(column)} < {_FIRST} then {_FIRST} when {fit} then {value(column)} end"
    if column.policy == "fail":
        # The server cannot raise an error in a query by itself; a division by zero is one. It is in a case of its own:
        # of two conditions the server may look at the second first.
        stop = f"case when 1 / 0 > 0 then {value(column)} end"
        return f"case when {fit} then {value(column)} when {value(column)} is not null then {stop} end"
    return f"case when {fit} then {value(column)} end"


def kept(column: Column) -> str:
    """A condition for the rows whose text goes to `_raw_overflow`; empty if there are none."""
    if not column.can_overflow or column.policy not in ("keep_text", "clamp"):
        return ""
    if column.policy == "clamp" and pa.types.is_timestamp(column.field.type):
        return f"(not {fits(column)} and {value(column)} >= {_FIRST})"  # parts of microseconds have no nearest
    return f"not {fits(column)}"


def overflow(table: SourceTable) -> str:
    """The texts of what does not fit, by raw name."""
    columns = [column for column in table.columns if kept(column)]
    if not columns:
        return "cast(null as varchar2(1))"
    pairs = ", ".join(
        f"key {literal(column.field.name)} value case when {kept(column)} then {printed(column)} end"
        for column in columns
    )
    some = " or ".join(kept(column) for column in columns)
    return f"case when {some} then json_object({pairs} absent on null) end"


def printed(column: Column) -> str:
    """The value as our own reader takes it: numbers and times as exact text."""
    kind = column.field.type
    if pa.types.is_decimal(kind):
        return rf"regexp_replace(to_char({value(column)}, 'TM9'), '^(-?)\.', '\10.')"
    if pa.types.is_timestamp(kind):
        text = f"to_char({value(column)}, 'YYYY-MM-DD HH24:MI:SS.FF9')"
        early = f"to_char({value(column)}, 'SYYYY-MM-DD HH24:MI:SS')"
        return f"case when {value(column)} < {_FIRST} then {early} else regexp_replace({text}, '000$') end"
    return value(column)


def _is_finer(column: Column) -> bool:
    """Whether the column holds parts of a microsecond."""
    digits = column.source_type.partition("(")[2][:1]
    return column.source_type.startswith("TIMESTAMP") and digits > "6"
