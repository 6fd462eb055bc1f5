"""PostgreSQL 13 and later (14 for splitting tables by pages)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from ingestion.bulk.dialects.base import Dialect, Reader, Snapshot
from ingestion.bulk.dialects.postgres import check, chunks, discovery, hashing, log, projection, snapshot, spark
from ingestion.bulk.dialects.postgres.connection import connected
from ingestion.bulk.model import Chunk, Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource


class Postgres:
    """See ingestion.bulk.dialects.base.Dialect."""

    name = "postgres"
    shares_snapshot = True
    range_error = "out of range, see out_of_range of "

    def tables(self, source: DatabaseSource) -> list[SourceTable]:
        with connected(source) as connection:
            return discovery.found(connection, source)

    def left_out(self, source: DatabaseSource) -> dict[str, str]:
        with connected(source) as connection:
            return discovery.left_out(connection, source)

    def check(self, source: DatabaseSource) -> Iterator[Finding]:
        return check.findings(source)

    def prepare_log(self, source: DatabaseSource) -> None:
        with connected(source) as connection:
            log.prepare(connection, source, discovery.found(connection, source))

    def snapshot(self, source: DatabaseSource, readers: int) -> AbstractContextManager[Snapshot]:
        return snapshot.opened(source, readers)

    def chunks(self, reader: Reader, table: SourceTable, target_bytes: int, *, by_key: bool) -> list[Chunk]:
        return (chunks.by_key if by_key else chunks.by_pages)(reader, table, target_bytes)

    def select(self, table: SourceTable, chunk: Chunk) -> str:
        return projection.select(table, chunk)

    def spark_select(self, table: SourceTable, chunk: Chunk) -> str:
        return spark.select(table, chunk)

    def row_hash(self, table: SourceTable, predicate: str) -> str:
        return hashing.row_hash(table, predicate)

    def row_hashes(self, table: SourceTable, predicate: str) -> str:
        return hashing.row_hashes(table, predicate)


DIALECT: Dialect = Postgres()
