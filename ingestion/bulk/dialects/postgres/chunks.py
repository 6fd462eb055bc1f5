"""Splitting a PostgreSQL table: by its pages, or by ranges of its key."""

from itertools import pairwise
from typing import Any, Protocol

from ingestion.bulk.dialects.postgres.connection import literal, quoted, relation
from ingestion.bulk.dialects.postgres.projection import where
from ingestion.bulk.model import Chunk, SourceTable

_PARTS = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.oid::int8,
       pg_relation_size(c.oid), pg_table_size(c.oid), c.reltuples::float8
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid in (select relid from pg_partition_tree({table}::regclass) where isleaf
                union all select {table}::regclass where not exists (select from pg_partition_tree({table}::regclass)))
  and c.relkind = 'r' order by 1"""
_ROW_RANGES = 140000  # the first version that reads a range of pages without reading those before it


class Fetches(Protocol):
    """A reader, as far as splitting needs one."""

    def fetch(self, sql: str) -> list[tuple[Any, ...]]: ...


def by_pages(reader: Fetches, table: SourceTable, target_bytes: int) -> list[Chunk]:
    """Ranges of pages; the last one of a table has no end, so that pages added meanwhile are in it."""
    version = int(reader.fetch("select current_setting('server_version_num')")[0][0])
    page = int(reader.fetch("select current_setting('block_size')")[0][0])
    name = literal(relation(table.schema, table.name))
    parts = reader.fetch(_PARTS.format(table=name))
    chunks = []
    for part, oid, heap, whole, _ in parts:
        if table.kind == "partitioned":
            label, own, target = f"{part}:", f"tableoid = {oid}", part
        else:
            label, own, target = "", "", ""
        pages = heap // page
        per_chunk = max(1, -(-pages // max(1, -(-whole // target_bytes))))
        starts = list(range(0, pages, per_chunk)) or [0]
        if len(starts) == 1 or version < _ROW_RANGES:
            rows = int(table.rows * whole / table.bytes) if table.bytes else 0
            chunks.append(Chunk(f"ctid:{label}0-", own, rows, whole, target))
            continue
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            share = ((end or pages) - start) / pages
            bounds = [own] if own else []
            bounds += [f"ctid >= '({start},0)'::tid"] if start else []
            bounds += [f"ctid < '({end},0)'::tid"] if end is not None else []
            size = int(whole * share)
            rows = int(table.rows * size / table.bytes) if table.bytes else 0
            chunks.append(
                Chunk(f"ctid:{label}{start}-{'' if end is None else end - 1}", " and ".join(bounds), rows, size, target)
            )
    return chunks


def by_key(reader: Fetches, table: SourceTable, target_bytes: int) -> list[Chunk]:
    """Ranges of the key with as many rows each; its own order and its own values decide, so that skew, text and
    composite keys do no harm. Without a key, one chunk."""
    whole = Chunk("key:-", "", table.rows, table.bytes)
    count = -(-table.bytes // target_bytes)
    if not table.key or count <= 1:
        return [whole]
    step = max(1, -(-table.rows // count))
    bounds: list[str] = []
    while (bound := _next_bound(reader, table, bounds[-1] if bounds else None, step)) is not None:
        bounds.append(bound)
    edges: list[str | None] = [None, *bounds, None]
    parts = len(edges) - 1
    return [
        Chunk(f"key:{low or ''}-{high or ''}", _between(table, low, high), table.rows // parts, table.bytes // parts)
        for low, high in pairwise(edges)
    ]


def _next_bound(reader: Fetches, table: SourceTable, last: str | None, step: int) -> str | None:
    """The key `step` rows after `last`, as a row of literals; None at the end of the table."""
    only = "" if table.kind == "partitioned" else "only "
    keys = ", ".join(quoted(name) for name in table.key)
    texts = ", ".join(f"{quoted(name)}::text" for name in table.key)
    rows = reader.fetch(
        f"select {texts} from (select {keys} from {only}{relation(table.schema, table.name)}"
        f"{where(_between(table, last, None))} order by {keys} offset {step} limit 1) as bound"
    )
    return f"({', '.join(literal(value) for value in rows[0])})" if rows else None


def _between(table: SourceTable, low: str | None, high: str | None) -> str:
    keys = f"({', '.join(quoted(name) for name in table.key)})"
    limits = [f"{keys} >= {low}"] if low else []
    return " and ".join([*limits, f"{keys} < {high}"] if high else limits)
