"""The chunks that a load of a source would read."""

from collections.abc import Iterator, Sequence

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.selection import selected
from ingestion.bulk.sources import DatabaseSource


def planned(
    source: DatabaseSource, pattern: str | None, names: Sequence[str]
) -> Iterator[tuple[SourceTable, list[Chunk]]]:
    """Each selected table and its chunks, as a load begun now would split it: tables with a key by the key."""
    dialect = by_name(source.dialect)
    tables = selected(source, dialect.tables(source), pattern, names)
    with dialect.snapshot(source, 1) as snapshot, snapshot.reader() as reader:
        for table in tables:
            yield table, dialect.chunks(reader, table, source.chunk_bytes, by_key=bool(table.key))
