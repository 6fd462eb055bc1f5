"""What tables there are in a MySQL database, and what is left out and why."""

from collections import defaultdict
from typing import Any

import pyarrow as pa

from ingestion.bulk.dialects.mysql.connection import Connection, literal, rows
from ingestion.bulk.dialects.mysql.types import Declared, choose
from ingestion.bulk.model import Column, ForeignKey, SourceTable
from ingestion.bulk.naming import raw_columns, raw_table, refuse_collisions
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError

_TABLES = """
select table_schema, table_name, table_type, engine, table_rows, data_length
from information_schema.tables where table_schema in ({}) order by table_schema, table_name"""
_COLUMNS = """
select table_schema, table_name, column_name, lower(data_type), lower(column_type),
       coalesce(numeric_precision, 0), coalesce(numeric_scale, 0), is_nullable
from information_schema.columns where table_schema in ({}) order by table_schema, table_name, ordinal_position"""
_KEYS = """
select table_schema, table_name, constraint_name, column_name,
       referenced_table_schema, referenced_table_name, referenced_column_name
from information_schema.key_column_usage
where table_schema in ({}) and (constraint_name = 'PRIMARY' or referenced_table_name is not null)
order by table_schema, table_name, constraint_name, ordinal_position"""
_NOT_TABLES = {
    "VIEW": "a view: its rows are in other tables",
    "SYSTEM VIEW": "a system view",
    "SEQUENCE": "a sequence, not a table",
}
_NO_COLUMNS = "no column of it is shown to this user"
Name = tuple[str, str]


def found(connection: Connection, source: DatabaseSource) -> list[SourceTable]:
    """All tables that include and exclude leave in. Raises UsageError for a missing schema or equal raw names."""
    schemas = _schemas(connection, source)
    columns: dict[Name, list[tuple[Any, ...]]] = defaultdict(list)
    for schema, table, *rest in rows(connection, _COLUMNS.format(schemas)):
        columns[schema, table].append(tuple(rest))
    keys: dict[Name, list[tuple[Any, ...]]] = defaultdict(list)
    for schema, table, *rest in rows(connection, _KEYS.format(schemas)):
        keys[schema, table].append(tuple(rest))
    tables = [
        _table(source, row, columns[row[0], row[1]], keys[row[0], row[1]])
        for row in rows(connection, _TABLES.format(schemas))
        if not _left_out(source, row) and columns[row[0], row[1]]
    ]
    refuse_collisions(source.name, ((f"{table.schema}.{table.name}", table.raw_name) for table in tables))
    return tables


def left_out(connection: Connection, source: DatabaseSource) -> dict[str, str]:
    """`schema.name` of what is not read, with the reason."""
    schemas = _schemas(connection, source)
    seen = {(row[0], row[1]) for row in rows(connection, _COLUMNS.format(schemas))}
    listed = rows(connection, _TABLES.format(schemas))
    reasons = {
        f"{row[0]}.{row[1]}": _left_out(source, row) or ("" if (row[0], row[1]) in seen else _NO_COLUMNS)
        for row in listed
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _left_out(source: DatabaseSource, row: tuple[Any, ...]) -> str:
    schema, name, kind, *_ = row
    if kind in _NOT_TABLES:
        return _NOT_TABLES[kind]
    return "" if source.takes(schema, name) else "left out by include and exclude in config/sources.yaml"


def _schemas(connection: Connection, source: DatabaseSource) -> str:
    names = [row[0] for row in rows(connection, "select schema_name from information_schema.schemata order by 1")]
    for schema in source.read_schemas:
        if schema not in names:
            raise UsageError(f"{source.name}: there is no database {schema!r}; there are {', '.join(names)}")
    return ", ".join(literal(schema) for schema in source.read_schemas)


def _table(
    source: DatabaseSource, row: tuple[Any, ...], attributes: list[tuple[Any, ...]], keys: list[tuple[Any, ...]]
) -> SourceTable:
    schema, name, _, engine, count, size = row
    names = raw_columns([attribute[0] for attribute in attributes])
    foreign: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for constraint, column, other_schema, other_table, other_column in keys:
        if other_table is not None:
            foreign[constraint, other_schema, other_table].append((column, other_column))
    return SourceTable(
        schema=schema,
        name=name,
        raw_name=raw_table(source.name, schema, name, source.default_schema),
        columns=tuple(
            _column(source, schema, name, attribute, raw) for attribute, raw in zip(attributes, names, strict=True)
        ),
        key=tuple(column for constraint, column, *_ in keys if constraint == "PRIMARY"),
        foreign_keys=tuple(
            ForeignKey(tuple(own for own, _ in pairs), other_schema, other, tuple(theirs for _, theirs in pairs))
            for (_, other_schema, other), pairs in foreign.items()
        ),
        rows=int(count or 0),
        bytes=int(size or 0),
        kind=str(engine or "table").lower(),
    )


def _column(source: DatabaseSource, schema: str, table: str, attribute: tuple[Any, ...], raw: str) -> Column:
    name, kind, full, precision, scale, nullable = attribute
    chosen = choose(Declared(kind, full, int(precision), int(scale)))
    note = chosen.note if raw == name else "; ".join(filter(None, [chosen.note, f"called {raw} in raw"]))
    return Column(
        name=name,
        source_type=full,
        field=pa.field(raw, chosen.type),
        nullable=nullable == "YES",
        can_overflow=chosen.can_overflow,
        policy=source.policy(schema, table, name),
        note=note,
        expression=chosen.expression,
    )
