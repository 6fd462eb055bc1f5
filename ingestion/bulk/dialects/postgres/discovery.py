"""What tables there are in a PostgreSQL database, and what is left out and why."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ingestion.bulk.dialects.postgres.connection import Connection
from ingestion.bulk.dialects.postgres.types import TIME_IN_UTC, PgType, choose
from ingestion.bulk.model import Column, ForeignKey, SourceTable
from ingestion.bulk.naming import raw_columns, raw_table, refuse_collisions
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError

_TYPES = """
select oid::int8, typname, typnamespace::regnamespace::text, typtype, typcategory, typelem::int8, typbasetype::int8,
       typtypmod from pg_type"""
_RELATIONS = """
select c.oid::int8, n.nspname, c.relname, c.relkind, c.relispartition, c.reltuples::float8,
       pg_total_relation_size(c.oid) - pg_indexes_size(c.oid),
       (select coalesce(sum(pg_total_relation_size(leaf.relid) - pg_indexes_size(leaf.relid)), 0)
        from pg_partition_tree(c.oid) leaf where leaf.isleaf and c.relkind = 'p'),
       (select coalesce(sum(greatest(part.reltuples, 0)), 0)
        from pg_partition_tree(c.oid) leaf join pg_class part on part.oid = leaf.relid
        where leaf.isleaf and c.relkind = 'p'),
       exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't'
order by n.nspname, c.relname"""
_COLUMNS = """
select a.attrelid::int8, a.attname, a.atttypid::int8, a.atttypmod, a.attnotnull, format_type(a.atttypid, a.atttypmod)
from pg_attribute a where a.attrelid = any(%s) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum"""
_KEYS = """
select i.indrelid::int8, a.attname
from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = any(%s) and i.indisprimary order by i.indrelid, k.place"""
_FOREIGN = """
select c.conrelid::int8, n.nspname, r.relname,
       (select array_agg(a.attname::text order by k.place) from unnest(c.conkey) with ordinality k (attnum, place)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum),
       (select array_agg(a.attname::text order by k.place) from unnest(c.confkey) with ordinality k (attnum, place)
        join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum)
from pg_constraint c join pg_class r on r.oid = c.confrelid join pg_namespace n on n.oid = r.relnamespace
where c.contype = 'f' and c.conrelid = any(%s) order by c.conrelid, c.conname"""
_NOT_TABLES = {
    "v": "a view: its rows are in other tables",
    "m": "a materialised view: its rows are in other tables",
    "f": "a foreign table: load it from its own server",
}
_WIDTHS = ((pa.types.is_int64, 8), (pa.types.is_timestamp, 8), (pa.types.is_int32, 4), (pa.types.is_date, 4))


def found(connection: Connection, source: DatabaseSource) -> list[SourceTable]:
    """All tables that include and exclude leave in. Raises UsageError for a missing schema or equal raw names."""
    _refuse_missing_schemas(connection, source)
    relations = [row for row in _relations(connection, source) if not _left_out(source, row)]
    oids = [row[0] for row in relations]
    types = {row[0]: PgType(*row) for row in connection.execute(_TYPES)}
    columns, keys, foreign = (_grouped(connection, sql, oids) for sql in (_COLUMNS, _KEYS, _FOREIGN))
    tables = [_table(source, row, columns[row[0]], types, keys[row[0]], foreign[row[0]]) for row in relations]
    refuse_collisions(source.name, ((f"{table.schema}.{table.name}", table.raw_name) for table in tables))
    return tables


def left_out(connection: Connection, source: DatabaseSource) -> dict[str, str]:
    """`schema.name` of what is not read, with the reason."""
    reasons = {f"{row[1]}.{row[2]}": _left_out(source, row) for row in _relations(connection, source)}
    return {name: reason for name, reason in reasons.items() if reason and reason != _PARTITION}


_PARTITION = "a partition: read with its table"


def _left_out(source: DatabaseSource, row: tuple[Any, ...]) -> str:
    _, schema, name, kind, is_partition, *_, has_columns = row
    if is_partition:
        return _PARTITION
    if kind in _NOT_TABLES:
        return _NOT_TABLES[kind]
    if not has_columns:
        return "it has no columns"
    return "" if source.takes(schema, name) else "left out by include and exclude in config/sources.yaml"


def _relations(connection: Connection, source: DatabaseSource) -> list[tuple[Any, ...]]:
    return connection.execute(_RELATIONS, (list(source.read_schemas),)).fetchall()


def _refuse_missing_schemas(connection: Connection, source: DatabaseSource) -> None:
    names = {row[0] for row in connection.execute("select nspname::text from pg_namespace")}
    for schema in source.read_schemas:
        if schema not in names:
            raise UsageError(
                f"{source.name}: database {source.database!r} has no schema {schema!r}; "
                f"there are {', '.join(sorted(one for one in names if not one.startswith('pg_')))}"
            )


def _grouped(connection: Connection, sql: str, oids: list[int]) -> Mapping[int, list[tuple[Any, ...]]]:
    groups: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for oid, *rest in connection.execute(sql, (oids,)):
        groups[oid].append(tuple(rest))
    return groups


def _table(
    source: DatabaseSource,
    row: tuple[Any, ...],
    attributes: list[tuple[Any, ...]],
    types: Mapping[int, PgType],
    key: list[tuple[Any, ...]],
    foreign: list[tuple[Any, ...]],
) -> SourceTable:
    _, schema, name, kind, _, tuples, size, leaves_size, leaves_tuples, _ = row
    names = raw_columns([attribute[0] for attribute in attributes])
    columns = tuple(
        _column(source, schema, name, attribute, raw, types) for attribute, raw in zip(attributes, names, strict=True)
    )
    total = int(leaves_size if kind == "p" else size)
    rows = int(leaves_tuples if kind == "p" else max(tuples, 0))
    return SourceTable(
        schema=schema,
        name=name,
        raw_name=raw_table(source.name, schema, name, source.default_schema),
        columns=columns,
        key=tuple(one[0] for one in key),
        foreign_keys=tuple(
            ForeignKey(tuple(own), other, table, tuple(theirs)) for other, table, own, theirs in foreign
        ),
        rows=rows or _guessed_rows(columns, total),
        bytes=total,
        kind="partitioned" if kind == "p" else "table",
    )


def _column(
    source: DatabaseSource, schema: str, table: str, attribute: tuple[Any, ...], raw: str, types: Mapping[int, PgType]
) -> Column:
    name, oid, modifier, not_null, formatted = attribute
    chosen = choose(types, oid, modifier)
    if formatted.endswith("with time zone") and formatted.startswith(("time ", "time(")) and "cdc" in source.modes:
        chosen = replace(chosen, expression=TIME_IN_UTC, note="time in UTC as text: the log does not have its offset")
    note = chosen.note if raw == name else "; ".join(filter(None, [chosen.note, f"called {raw} in raw"]))
    return Column(
        name=name,
        source_type=formatted,
        field=pa.field(raw, chosen.type),
        nullable=not not_null,
        can_overflow=chosen.can_overflow,
        policy=source.policy(schema, table, name),
        note=note,
        expression=chosen.expression,
    )


def _guessed_rows(columns: tuple[Column, ...], size: int) -> int:
    """For tables that were never analysed: their bytes by a row's usual width."""
    width = 28 + sum(next((w for is_kind, w in _WIDTHS if is_kind(one.field.type)), 16) for one in columns)
    return size // width
