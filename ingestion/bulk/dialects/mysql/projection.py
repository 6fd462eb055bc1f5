"""The typed projection: `select` for engines that need typed SQL, `wire` as our own reader takes it."""

from ingestion.bulk.dialects.mysql.connection import literal, quoted, relation
from ingestion.bulk.model import Chunk, Column, SourceTable

_TWO = "(select 1 as n union all select 2) as two"


def select(table: SourceTable, chunk: Chunk) -> str:
    """Typed values, or null and their text in `_raw_overflow`: a JSON object as text, null where nothing overflowed."""
    columns = [f"{typed(column)} as {quoted(column.field.name)}" for column in table.columns]
    return f"select {', '.join(columns)}, {overflow(table)} as _raw_overflow {source(table, chunk)}"


def wire(table: SourceTable, chunk: Chunk) -> str:
    """Values as the server prints them, nothing checked: the reader settles what a raw type cannot hold."""
    columns = ", ".join(f"{value(column)} as c{number}" for number, column in enumerate(table.columns))
    return f"select {columns} {source(table, chunk)}"


def source(table: SourceTable, chunk: Chunk) -> str:
    """`from ... where ...` of a chunk."""
    return f"from {relation(table.schema, table.name)}{where(table.condition(chunk.predicate, quoted))}"


def where(predicate: str) -> str:
    """The predicate as a clause, empty without one."""
    return f" where {predicate}" if predicate else ""


def value(column: Column) -> str:
    """The raw value before its range is looked at."""
    return column.expression.format(quoted(column.name))


def fits(column: Column) -> str:
    """A condition that is false for days that are in no calendar, null for null; empty if all values fit."""
    if not column.can_overflow:
        return ""
    day = quoted(column.name)
    last = f"dayofmonth(last_day(date_format({day}, '%Y-%m-01')))"
    within = f"month({day}) between 1 and 12 and dayofmonth({day}) between 1 and {last}"
    return f"(year({day}) between 1 and 9999 and {within})"


def typed(column: Column) -> str:
    """The raw value, and for what does not fit whatever the column's policy says; no zero date has a nearest day."""
    fit = fits(column)
    if not fit:
        return value(column)
    if column.policy == "fail":
        # The server has no way to raise an error in a query: two rows where one is asked for are one.
        stop = f"(select {value(column)} from {_TWO} where two.n > 0 or {value(column)} is null)"
        return f"case when {fit} then {value(column)} when {quoted(column.name)} is not null then {stop} end"
    return f"case when {fit} then {value(column)} end"


def keeps_text(column: Column) -> bool:
    """Whether the text of a value that does not fit goes to `_raw_overflow`."""
    return column.can_overflow and column.policy in ("keep_text", "clamp")


def overflow(table: SourceTable) -> str:
    """The texts of what does not fit, by raw name."""
    kept = [column for column in table.columns if keeps_text(column)]
    if not kept:
        return "cast(null as char)"
    # Of dates' texts and our own names: nothing in the values needs an escape.
    pairs = ", ".join(
        f"case when not {fits(column)} then concat({_json_name(column)}, cast({quoted(column.name)} as char), '\"') end"
        for column in kept
    )
    some = " or ".join(f"not {fits(column)}" for column in kept)
    return f"case when {some} then concat('{{', concat_ws(', ', {pairs}), '}}') end"


def _json_name(column: Column) -> str:
    return literal(f'"{column.field.name}": "')
