"""The tables of a source that are polled: what `cursor`, `key` and `topic` of config/sources.yaml say, checked."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.naming import raw_table
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError

_KINDS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_integer,
    pa.types.is_decimal,
    pa.types.is_timestamp,
    pa.types.is_date,
)


@dataclass(frozen=True)
class Polled:
    """A table that is polled: its rows with a higher `cursor` are new."""

    table: SourceTable
    cursor: Column
    topic: str


def is_polled(source: DatabaseSource) -> bool:
    """Whether polling is among its modes."""
    return "poll" in source.modes


def topics_of(source: DatabaseSource) -> dict[str, str]:
    """The raw table of each topic that polled rows of the source go through, by what the file says alone."""
    found = {}
    for name, options in source.tables.items():
        if is_polled(source) and options.cursor:
            schema, _, table = name.rpartition(".")
            schema = schema or source.default_schema
            found[_topic(source, schema, table)] = raw_table(source.name, schema, table, source.default_schema)
    return found


def polled_tables(source: DatabaseSource) -> list[Polled]:
    """The tables as the database has them now. Raises UsageError where the file asks for what cannot be polled."""
    if not is_polled(source):
        raise UsageError(f"{source.name}: write poll among its modes in config/sources.yaml")
    wanted = {name for name, options in source.tables.items() if options.cursor}
    if not wanted:
        raise UsageError(
            f"{source.name}: no table has a cursor; write one in config/sources.yaml, such as "
            "tables: {orders: {cursor: created_at}}"
        )
    tables = by_name(source.dialect).tables(source)
    names = {f"{table.schema}.{table.name}" for table in tables} | {table.name for table in tables}
    if missing := sorted(wanted - names):
        there = ", ".join(sorted(table.name for table in tables)) or "none"
        raise UsageError(f"{source.name}: there is no table {', '.join(missing)} that may be read; there are: {there}")
    return [_checked(source, table) for table in tables if source.options(table.schema, table.name).cursor]


def _checked(source: DatabaseSource, table: SourceTable) -> Polled:
    options = source.options(table.schema, table.name)
    where = f"{source.name}.tables.{table.name}"
    columns = {column.name: column for column in table.columns}
    key = options.key or table.key
    for name in (options.cursor, *key):
        if name not in columns:
            raise UsageError(f"{where}: there is no column {name}; there are: {', '.join(columns)}")
    cursor = columns[options.cursor]
    if not any(fits(cursor.field.type) for fits in _KINDS) or cursor.expression != "{}":
        raise UsageError(f"{where}.cursor: {cursor.name} is {cursor.source_type}; take a number, a time or a date")
    if not key:
        raise UsageError(f"{where}: the table has no key; write the columns that tell its rows apart as `key`")
    return Polled(replace(table, key=tuple(key)), cursor, _topic(source, table.schema, table.name))


def _topic(source: DatabaseSource, schema: str, table: str) -> str:
    own = source.options(schema, table).topic
    return own or f"{source.name}.{raw_table('', schema, table, source.default_schema).removeprefix('raw._')}_raw"
