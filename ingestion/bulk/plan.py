"""The chunks that a load of a source would read."""

from collections.abc import Iterator, Sequence

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.sources import DatabaseSource

_MOST_CHUNKS = 2000  # of one table: the plan is part of every commit


def planned(source: DatabaseSource, tables: Sequence[SourceTable]) -> Iterator[tuple[SourceTable, list[Chunk]]]:
    """Each table and its chunks, as a load begun now would split it: tables with a key by the key."""
    dialect = by_name(source.dialect)
    with dialect.snapshot(source, 1) as snapshot, snapshot.reader() as reader:
        for table in tables:
            target = chunk_target(table.bytes, source.chunk_bytes, source.parallel_tables)
            yield table, dialect.chunks(reader, table, target, by_key=bool(table.key))


def chunk_target(size: int, chunk_bytes: int, readers: int) -> int:
    """The size of chunks of at most `chunk_bytes` (more for huge tables) of which all readers get equally many."""
    count = min(-(-size // chunk_bytes), _MOST_CHUNKS)
    return max(1, -(-size // (-(-count // readers) * readers))) if count > 1 else chunk_bytes
