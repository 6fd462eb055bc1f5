"""Oracle 12.2 and later, by its documentation alone: no server was at hand.

Every statement is held as text by tests; nothing here has been run against Oracle.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from ingestion.bulk.dialects.base import Dialect, Reader, Snapshot
from ingestion.bulk.dialects.oracle import check, chunks, discovery, hashing, projection, snapshot, spark
from ingestion.bulk.dialects.oracle.connection import connected
from ingestion.bulk.model import Chunk, Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError


class Oracle:
    """See ingestion.bulk.dialects.base.Dialect."""

    name = "oracle"
    shares_snapshot = True
    range_error = "ORA-01476"

    def tables(self, source: DatabaseSource) -> list[SourceTable]:
        with connected(source) as connection:
            return discovery.found(connection, source)

    def left_out(self, source: DatabaseSource) -> dict[str, str]:
        with connected(source) as connection:
            return discovery.left_out(connection, source)

    def check(self, source: DatabaseSource) -> Iterator[Finding]:
        return check.findings(source)

    def prepare_log(self, source: DatabaseSource) -> None:
        """The server keeps its log by itself where it archives it."""

    def snapshot(self, source: DatabaseSource, readers: int) -> AbstractContextManager[Snapshot]:
        return snapshot.opened(source, readers)

    def chunks(self, reader: Reader, table: SourceTable, target_bytes: int, *, by_key: bool) -> list[Chunk]:
        if by_key:
            return chunks.by_key(reader, table, target_bytes)
        try:
            starts = [(str(start), int(size)) for start, size in reader.fetch(chunks.extents(table))]
        except UsageError:  # dba_extents may not be read
            return chunks.by_key(reader, table, target_bytes)
        return chunks.by_row_ids(table, starts, target_bytes)

    def select(self, table: SourceTable, chunk: Chunk) -> str:
        return projection.select(table, chunk)

    def spark_select(self, table: SourceTable, chunk: Chunk) -> str:
        return spark.select(table, chunk)

    def row_hash(self, table: SourceTable, predicate: str) -> str:
        return hashing.row_hash(table, predicate)

    def row_hashes(self, table: SourceTable, predicate: str) -> str:
        return hashing.row_hashes(table, predicate)


DIALECT: Dialect = Oracle()
