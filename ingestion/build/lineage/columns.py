"""Which columns of its inputs a column of a model is computed from, read from the SQL that dbt ran."""

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

Columns = Mapping[str, Mapping[str, str]]


def column_lineage(sql: str, tables: Columns, dialect: str) -> dict[str, list[tuple[str, str]]] | None:
    """Output column to its (`schema.table`, column) pairs, sorted; None if the SQL cannot be read.

    `tables`: `schema.table` to column to type, of every table that the SQL may read; empty for one that is not there.
    Columns that come from no table, such as constants, have an empty list. Filters and joins are not part of it.
    """
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, columns in tables.items():
        space, table = name.split(".", 1)
        if columns:  # else sqlglot takes the schemas for nested unequally, and reads nothing
            schema.setdefault(space, {})[table] = dict(columns)
    try:
        nodes = lineage(None, sql, schema, dialect=dialect)
    except SqlglotError:
        return None
    return {column: sorted(_origins(node)) for column, node in nodes.items()}


def _origins(node: Node) -> set[tuple[str, str]]:
    """The nodes below are shared between paths, so each is looked at once; as a tree they would be very many."""
    found: set[tuple[str, str]] = set()
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        waiting.extend(one.downstream)
        if isinstance(one.expression, exp.Table) and one.expression.db:
            found.add((f"{one.expression.db}.{one.expression.name}", one.name.split(".")[-1].strip('`"')))
    return found
