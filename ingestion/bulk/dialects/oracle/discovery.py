"""What tables there are in an Oracle schema, and what is left out and why."""

from collections import defaultdict
from typing import Any

import pyarrow as pa

from ingestion.bulk.dialects.oracle.connection import literal, rows
from ingestion.bulk.dialects.oracle.types import LONGS, Declared, choose
from ingestion.bulk.model import Column, ForeignKey, SourceTable
from ingestion.bulk.naming import raw_columns, raw_table, refuse_collisions
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError

TABLES = """
select t.owner, t.table_name, nvl(t.num_rows, 0),
       greatest(nvl(t.blocks, 0) * 8192, nvl(t.num_rows, 0) * nvl(t.avg_row_len, 0))
from all_tables t where t.owner in ({}) and t.temporary = 'N' and t.nested = 'NO' and t.secondary = 'N'
and nvl(t.iot_type, 'IOT') = 'IOT' and not exists (
    select 1 from all_mviews m where m.owner = t.owner and m.mview_name = t.table_name)
order by t.owner, t.table_name"""
COLUMNS = """
select owner, table_name, column_name, data_type, data_precision, data_scale, nullable
from all_tab_cols where owner in ({}) and hidden_column = 'NO' order by owner, table_name, column_id"""
KEYS = """
select c.owner, c.table_name, c.constraint_type, c.constraint_name, k.column_name, r.owner, r.table_name, q.column_name
from all_constraints c
join all_cons_columns k on k.owner = c.owner and k.constraint_name = c.constraint_name
left join all_constraints r on r.owner = c.r_owner and r.constraint_name = c.r_constraint_name
left join all_cons_columns q on q.owner = r.owner and q.constraint_name = r.constraint_name
and q.position = k.position
where c.owner in ({}) and c.constraint_type in ('P', 'R')
order by c.owner, c.table_name, c.constraint_name, k.position"""
OTHERS = """
select owner, object_name, object_type from all_objects
where owner in ({0}) and object_type in ('VIEW', 'MATERIALIZED VIEW')
union all
select owner, table_name, 'TEMPORARY TABLE' from all_tables where owner in ({0}) and temporary = 'Y'
order by 1, 2"""
_NOT_TABLES = {
    "VIEW": "a view: its rows are in other tables",
    "MATERIALIZED VIEW": "a materialized view: its rows are in other tables",
    "TEMPORARY TABLE": "a temporary table: its rows are those of single sessions",
}


def found(connection: Any, source: DatabaseSource) -> list[SourceTable]:
    """All tables that include and exclude leave in, without those that long_columns skips.

    Raises UsageError for equal raw names, and for a LONG column where long_columns is `error`.
    """
    tables = [table for table, reason in _all(connection, source) if not reason]
    refuse_collisions(source.name, ((f"{table.schema}.{table.name}", table.raw_name) for table in tables))
    return tables


def left_out(connection: Any, source: DatabaseSource) -> dict[str, str]:
    """`schema.name` of what is not read, with the reason."""
    reasons = {f"{table.schema}.{table.name}": reason for table, reason in _all(connection, source) if reason}
    for schema, name, kind in rows(connection, OTHERS.format(_schemas(source))):
        reasons[f"{schema}.{name}"] = _NOT_TABLES[kind]
    return reasons


def _schemas(source: DatabaseSource) -> str:
    return ", ".join(literal(schema) for schema in source.read_schemas)


def _all(connection: Any, source: DatabaseSource) -> list[tuple[SourceTable, str]]:
    schemas = _schemas(source)
    columns: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for owner, name, *rest in rows(connection, COLUMNS.format(schemas)):
        columns[owner, name].append(tuple(rest))
    keys: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for owner, name, *rest in rows(connection, KEYS.format(schemas)):
        keys[owner, name].append(tuple(rest))
    return [
        described(source, row, columns[row[0], row[1]], keys[row[0], row[1]])
        for row in rows(connection, TABLES.format(schemas))
    ]


def described(
    source: DatabaseSource, row: tuple[Any, ...], attributes: list[tuple[Any, ...]], keys: list[tuple[Any, ...]]
) -> tuple[SourceTable, str]:
    """A table and why it is left out, if it is."""
    schema, name, count, size = row
    reason = "" if source.takes(schema, name) else "left out by include and exclude in config/sources.yaml"
    columns, excluded = [], {}
    raw_names = raw_columns([attribute[0] for attribute in attributes], fold=True)
    for attribute, raw in zip(attributes, raw_names, strict=True):
        column, problem = _column(source, schema, name, attribute, raw)
        if column is not None:
            columns.append(column)
        elif not reason and attribute[1] in LONGS and source.long_columns == "error":
            raise UsageError(
                f"{source.name}: {schema}.{name}.{attribute[0]} is {attribute[1]}; set long_columns: exclude or "
                "skip_table, or name the table under `exclude`, in config/sources.yaml"
            )
        elif attribute[1] in LONGS and source.long_columns == "skip_table":
            reason = reason or f"column {attribute[0]} is {attribute[1]}, and long_columns is skip_table"
        else:
            excluded[attribute[0]] = problem
    foreign: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for kind, constraint, own, other_schema, other, theirs in keys:
        if kind == "R":
            foreign[constraint, other_schema, other].append((own, theirs))
    table = SourceTable(
        schema=schema,
        name=name,
        raw_name=raw_table(source.name, schema, name, source.default_schema),
        columns=tuple(columns),
        key=tuple(one[2] for one in keys if one[0] == "P"),
        foreign_keys=tuple(
            ForeignKey(tuple(own for own, _ in pairs), other_schema, other, tuple(theirs for _, theirs in pairs))
            for (_, other_schema, other), pairs in foreign.items()
        ),
        rows=int(count),
        bytes=int(size),
        excluded=excluded,
    )
    return table, reason or ("" if columns else "no column of it can be read")


def _column(
    source: DatabaseSource, schema: str, table: str, attribute: tuple[Any, ...], raw: str
) -> tuple[Column | None, str]:
    name, kind, precision, scale, nullable = attribute
    if kind in LONGS:
        return None, f"{kind} cannot be read in parts; long_columns is exclude"
    chosen = choose(Declared(kind, precision, scale), source.number_without_precision)
    if chosen is None:
        return None, f"SQL has no text or bytes for type {kind}"
    size = "" if precision is None else f"({precision})" if scale is None else f"({precision},{scale})"
    column = Column(
        name=name,
        source_type=f"{kind}{size}",
        field=pa.field(raw, chosen.type),
        nullable=nullable == "Y",
        can_overflow=chosen.can_overflow,
        policy=source.policy(schema, table, name),
        note=chosen.note,
        expression=chosen.expression,
    )
    return column, ""
