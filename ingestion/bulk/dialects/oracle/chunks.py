"""Splitting an Oracle table: by ranges of row ids, or by ranges of its key."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import pyarrow as pa

from ingestion.bulk.dialects.oracle.connection import literal, quoted, relation
from ingestion.bulk.dialects.oracle.projection import POSITION
from ingestion.bulk.model import Chunk, Column, SourceTable

Bound = tuple[str, ...]  # a key as SQL literals


class Fetches(Protocol):
    """A reader, as far as splitting needs one."""

    def fetch(self, sql: str) -> list[tuple[Any, ...]]: ...


def extents(table: SourceTable) -> str:
    """The first row id that each extent of the table can hold, with its bytes, in order; needs dba_extents."""
    first = "dbms_rowid.rowid_create(1, o.data_object_id, e.relative_fno, e.block_id, 0)"
    return (
        f"select rowidtochar({first}), e.bytes from dba_extents e join dba_objects o on o.owner = e.owner "
        "and o.object_name = e.segment_name and nvl(o.subobject_name, '-') = nvl(e.partition_name, '-') "
        f"where e.owner = {literal(table.schema)} and e.segment_name = {literal(table.name)} "
        f"and o.data_object_id is not null order by {first}"
    )


def by_row_ids(table: SourceTable, starts: Sequence[tuple[str, int]], target_bytes: int) -> list[Chunk]:
    """Extents joined to ranges of about `target_bytes`. The first has no start and the last no end: extents that the
    table got since they were listed, before or after the others, are in one of them."""
    total = sum(size for _, size in starts) or 1
    edges: list[str | None] = [None]
    sizes = [0]
    for start, size in starts:
        if sizes[-1] >= target_bytes:
            edges.append(start)
            sizes.append(0)
        sizes[-1] += size
    chunks = []
    for (low, high), size in zip(pairwise([*edges, None]), sizes, strict=True):
        limits = [f"rowid >= chartorowid({literal(low)})"] if low else []
        limits += [f"rowid < chartorowid({literal(high)})"] if high else []
        chunks.append(Chunk(f"rowid:{low or ''}-{high or ''}", " and ".join(limits), table.rows * size // total, size))
    return chunks


def by_key(reader: Fetches, table: SourceTable, target_bytes: int) -> list[Chunk]:
    """Ranges of the key with as many rows each. Without a key, one chunk."""
    count = -(-table.bytes // target_bytes)
    if not table.key or count <= 1:
        return [Chunk("key:-", "", table.rows, table.bytes)]
    step = max(1, -(-table.rows // count))
    bounds: list[Bound] = []
    while found := reader.fetch(next_bound(table, bounds[-1] if bounds else None, step)):
        bounds.append(tuple(str(one) for one in found[0]))
    edges: list[Bound | None] = [None, *bounds, None]
    parts = len(edges) - 1
    return [
        Chunk(f"key:{_label(low)}-{_label(high)}", between(table, low, high), table.rows // parts, table.bytes // parts)
        for low, high in pairwise(edges)
    ]


def next_bound(table: SourceTable, last: Bound | None, step: int) -> str:
    """A query of the key `step` rows after `last`, as literals."""
    texts = ", ".join(_literal(column) for column in _keys(table))
    order = ", ".join(quoted(name) for name in table.key)
    where = f" where {between(table, last, None)}" if last else ""
    return (
        f"select {texts} from {relation(table.schema, table.name)} {POSITION}{where} order by {order} "
        f"offset {step} rows fetch next 1 rows only"
    )


def between(table: SourceTable, low: Bound | None, high: Bound | None) -> str:
    """From `low`, included, to `high`, left out, in the key's order; spelled out: rows cannot be compared by size."""
    columns = [quoted(name) for name in table.key]
    limits = [_beyond(columns, low, ">", ">=")] if low else []
    return " and ".join([*limits, _beyond(columns, high, "<", "<")] if high else limits)


def _beyond(columns: Sequence[str], bound: Bound, strict: str, last: str) -> str:
    if len(columns) == 1:
        return f"{columns[0]} {last} {bound[0]}"
    rest = _beyond(columns[1:], bound[1:], strict, last)
    return f"({columns[0]} {strict} {bound[0]} or ({columns[0]} = {bound[0]} and {rest}))"


def _keys(table: SourceTable) -> list[Column]:
    by_name = {column.name: column for column in table.columns}
    return [by_name[name] for name in table.key]


def _literal(column: Column) -> str:
    """SQL for the text of a key's value as it stands in a predicate."""
    name = quoted(column.name)
    if column.source_type.startswith(("NUMBER", "FLOAT", "BINARY_")):
        return f"to_char({name}, 'TM9')"
    if pa.types.is_binary(column.field.type):
        return f"'hextoraw(''' || rawtohex({name}) || ''')'"
    if column.source_type.startswith(("DATE", "TIMESTAMP")):
        zone = "TIME ZONE" in column.source_type
        form, words = "to_timestamp", "SYYYY-MM-DD HH24:MI:SS.FF9"
        if zone:
            form, words = "to_timestamp_tz", f"{words} TZR"
        text = f"to_char(cast({name} as timestamp(9){' with time zone' if zone else ''}), '{words}')"
        return f"'{form}(''' || {text} || ''', ''{words}'')'"
    return f"'''' || replace({name}, '''', '''''') || ''''"


def _label(bound: Bound | None) -> str:
    return "" if bound is None else ",".join(bound)
