"""Splitting a MySQL table by ranges of its key."""

from itertools import pairwise
from typing import Any, Protocol

import pyarrow as pa

from ingestion.bulk.dialects.mysql.connection import literal, quoted, relation
from ingestion.bulk.dialects.mysql.projection import where
from ingestion.bulk.model import Chunk, Column, SourceTable

Bound = tuple[str, ...]  # a key as SQL literals


class Fetches(Protocol):
    """A reader, as far as splitting needs one."""

    def fetch(self, sql: str) -> list[tuple[Any, ...]]: ...


def by_key(reader: Fetches, table: SourceTable, target_bytes: int) -> list[Chunk]:
    """Ranges of the key with as many rows each; its own order and its own values decide, so that skew, text and
    composite keys do no harm. Without a key, one chunk."""
    count = -(-table.bytes // target_bytes)
    if not table.key or count <= 1:
        return [Chunk("key:-", "", table.rows, table.bytes)]
    step = max(1, -(-table.rows // count))
    bounds: list[Bound] = []
    while (bound := _next_bound(reader, table, bounds[-1] if bounds else None, step)) is not None:
        bounds.append(bound)
    edges: list[Bound | None] = [None, *bounds, None]
    parts = len(edges) - 1
    return [
        Chunk(
            f"key:{_label(low)}-{_label(high)}", _between(table, low, high), table.rows // parts, table.bytes // parts
        )
        for low, high in pairwise(edges)
    ]


def _next_bound(reader: Fetches, table: SourceTable, last: Bound | None, step: int) -> Bound | None:
    """The key `step` rows after `last`; None at the end of the table."""
    columns = _keys(table)
    texts = ", ".join(_literal(column) for column in columns)
    order = ", ".join(_ordered(column) for column in columns)
    rows = reader.fetch(
        f"select {texts} from {relation(table.schema, table.name)}{where(_between(table, last, None))} "
        f"order by {order} limit 1 offset {step}"
    )
    if not rows:
        return None
    texts_found = (one.decode() if isinstance(one, bytes) else str(one) for one in rows[0])
    return tuple(text if _bare(column) else literal(text) for column, text in zip(columns, texts_found, strict=True))


def _keys(table: SourceTable) -> list[Column]:
    by_name = {column.name: column for column in table.columns}
    return [by_name[name] for name in table.key]


def _is_numbered(column: Column) -> bool:
    """Enums are sorted by number and compared as text: by number both times, then."""
    return column.source_type.startswith(("enum", "set", "bit"))


def _ordered(column: Column) -> str:
    return f"({quoted(column.name)} + 0)" if _is_numbered(column) else quoted(column.name)


def _bare(column: Column) -> bool:
    kind = column.field.type
    number = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)
    return number or pa.types.is_binary(kind) or _is_numbered(column)


def _literal(column: Column) -> str:
    """SQL for the text of a key's value, as it stands in a predicate."""
    if not _is_numbered(column) and pa.types.is_binary(column.field.type):
        return f"concat('x''', hex({quoted(column.name)}), '''')"
    if pa.types.is_floating(column.field.type):
        return f"cast({quoted(column.name)} * 1e0 as char)"
    return f"cast({_ordered(column)} as char)"


def _between(table: SourceTable, low: Bound | None, high: Bound | None) -> str:
    columns = [_ordered(column) for column in _keys(table)]
    limits = [_after(columns, low)] if low else []
    return " and ".join([*limits, _before(columns, high)] if high else limits)


def _after(columns: list[str], bound: Bound) -> str:
    """At or after `bound` in the key's order; spelled out: no index serves a comparison of rows."""
    if len(columns) == 1:
        return f"{columns[0]} >= {bound[0]}"
    rest = _after(columns[1:], bound[1:])
    return f"({columns[0]} >= {bound[0]} and ({columns[0]} > {bound[0]} or {rest}))"


def _before(columns: list[str], bound: Bound) -> str:
    if len(columns) == 1:
        return f"{columns[0]} < {bound[0]}"
    rest = _before(columns[1:], bound[1:])
    return f"({columns[0]} <= {bound[0]} and ({columns[0]} < {bound[0]} or {rest}))"


def _label(bound: Bound | None) -> str:
    return "" if bound is None else ",".join(bound)
