"""SQL over lake tables without Spark: DuckDB over pyiceberg scans, so that deleted rows stay deleted.

Only the columns a statement names are read. DuckDB itself reaches no file, no network and no extension.
"""

import contextlib
import difflib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, NoSuchViewError
from pyiceberg.table import Table

from ingestion.errors import UsageError
from ingestion.lake.catalog import CATALOG_NAME, NAMESPACES

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class _Use(NamedTuple):
    """What a statement reads: tables as often as it names them, and the column names in it (None: all)."""

    tables: list[tuple[str, str]]
    columns: set[str] | None
    is_plain: bool


def query(catalog: Catalog, sql: str) -> pa.Table:
    """The rows of one SELECT over `schema.table` names of the lake, times in UTC.

    Raises UsageError for anything but one SELECT, for an unknown table (it lists near names) or a wrong column.
    """
    with duckdb.connect(":memory:", config=_CLOSED) as connection:
        connection.execute("set python_enable_replacements = false").fetchall()
        connection.execute("set timezone = 'UTC'").fetchall()
        connection.execute(f"attach ':memory:' as {CATALOG_NAME}").fetchall()
        connection.execute(f"use {CATALOG_NAME}").fetchall()
        use, views = _with_views(connection, catalog, _use(connection, sql))
        for number, (schema, name) in enumerate(dict.fromkeys(use.tables)):
            source = _rows(_load(catalog, schema, name), use)
            connection.register(f"_lake_{number}", source)
            connection.execute(f'create schema if not exists "{schema}"').fetchall()
            connection.execute(f'create view "{schema}"."{name}" as select * from temp._lake_{number}').fetchall()
        try:
            for name, text in views.items():
                connection.execute(f"create view {name} as {text}").fetchall()
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise UsageError(f"the query cannot be run: {error}") from error


def _with_views(connection: duckdb.DuckDBPyConnection, catalog: Catalog, use: _Use) -> tuple[_Use, dict[str, str]]:
    """The tables that are read in the end, and the text of each view on the way, those that others read first.

    Views of the lake are written in words that Spark, Trino and DuckDB share.
    """
    waiting, tables, columns = list(use.tables), [], use.columns
    views: dict[str, str] = {}
    while waiting:
        schema, name = waiting.pop(0)
        text = _view_text(catalog, schema, name)
        if text is None:
            tables.append((schema, name))
            continue
        views = {f'"{schema}"."{name}"': text} | views
        read = _use(connection, text)
        waiting += read.tables
        columns = None if columns is None or read.columns is None else columns | read.columns
    return (_Use(tables, columns, is_plain=False) if views else use), views


def _view_text(catalog: Catalog, schema: str, name: str) -> str | None:
    if schema not in NAMESPACES:
        return None
    try:
        return catalog.load_view((schema, name)).current_version().representations[0].root.sql
    except (NoSuchViewError, NotImplementedError):
        return None


def _use(connection: duckdb.DuckDBPyConnection, sql: str) -> _Use:
    text = connection.execute("select json_serialize_sql(?)", [sql]).fetchall()[0][0]
    parsed = json.loads(text)
    if parsed["error"]:
        raise UsageError(f"the query cannot be read: {parsed['error_message']}")
    if len(parsed["statements"]) != 1:
        raise UsageError("write one SELECT statement")
    tables: list[tuple[str, str]] = []
    names: set[str] = set()
    aliases: set[str] = set()
    reads_all = False
    nodes = 0
    common = {key.lower() for node in _nodes(parsed) for key in _common_tables(node)}
    for node in _nodes(parsed):
        kind = node.get("type")
        nodes += kind in ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE")
        if kind == "BASE_TABLE":
            aliases.update({node["alias"].lower(), node["table_name"].lower()})
            if node["schema_name"] or node["table_name"].lower() not in common:
                tables.append(_named(node))
        elif kind == "COLUMN_REF":
            names.update(name.lower() for name in node["column_names"])
        elif kind in ("STAR", "SHOW_REF", "PIVOT", "POSITIONAL_REFERENCE") or node.get("ref_type") == "NATURAL":
            reads_all = True
        names.update(name.lower() for name in node.get("using_columns") or ())
    reads_all = reads_all or bool(names & aliases)  # a table's name as a value is the whole row
    return _Use(tables, None if reads_all else names, nodes == 1 and len(tables) == 1)


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of the parsed statement."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _nodes(item)


def _common_tables(node: dict[str, Any]) -> Iterator[str]:
    for entry in (node.get("cte_map") or {}).get("map", ()):
        yield entry["key"]


def _named(node: dict[str, Any]) -> tuple[str, str]:
    catalog, schema, name = node["catalog_name"], node["schema_name"], node["table_name"]
    if catalog not in ("", CATALOG_NAME):
        raise UsageError(f"{catalog}.{schema}.{name}: the only catalog is {CATALOG_NAME}")
    return schema, name


def _load(catalog: Catalog, schema: str, name: str) -> Table:
    if schema in NAMESPACES:
        with contextlib.suppress(NoSuchTableError):
            return catalog.load_table((schema, name))
    known = [f"{space}.{table}" for space in NAMESPACES for _, table in catalog.list_tables(space)]
    wanted = f"{schema}.{name}" if schema else name
    near = difflib.get_close_matches(wanted, known, 5, 0.5) or [one for one in known if one.endswith(f".{name}")]
    hint = f"near names: {', '.join(near)}" if near else f"there are: {', '.join(known) or 'none yet'}"
    raise UsageError(f"no table {wanted} in the lake; {hint}")


def _rows(table: Table, use: _Use) -> pa.Table | pa.RecordBatchReader:
    """The table's rows for one statement; a stream where the statement can read it only once."""
    columns = table.schema().column_names
    if use.columns is not None:
        columns = [name for name in columns if name.lower() in use.columns] or columns[:1]
    scan = table.scan(selected_fields=tuple(columns))
    return scan.to_arrow_batch_reader() if use.is_plain else scan.to_arrow()
