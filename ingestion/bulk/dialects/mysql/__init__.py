"""MariaDB 10.5 and later; MySQL 8 by its documentation (no server of it was at hand)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from ingestion.bulk.dialects.base import Dialect, Reader, Snapshot
from ingestion.bulk.dialects.mysql import check, chunks, discovery, hashing, log, projection, snapshot, spark
from ingestion.bulk.dialects.mysql.connection import connected
from ingestion.bulk.model import Chunk, Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError


class MySql:
    """See ingestion.bulk.dialects.base.Dialect."""

    name = "mysql"
    shares_snapshot = False
    range_error = "Subquery returns more than 1 row"

    def tables(self, source: DatabaseSource) -> list[SourceTable]:
        with connected(source) as connection:
            return discovery.found(connection, source)

    def left_out(self, source: DatabaseSource) -> dict[str, str]:
        with connected(source) as connection:
            return discovery.left_out(connection, source)

    def check(self, source: DatabaseSource) -> Iterator[Finding]:
        return check.findings(source)

    def prepare_log(self, source: DatabaseSource) -> None:
        """The server keeps its log by itself; it must have one."""
        with connected(source) as connection:
            if log.current(connection) == log.NO_LOG:
                raise UsageError(
                    f"{source.name}: the server writes no binary log; start it with log_bin, "
                    "or take cdc out of the source's modes"
                )

    def snapshot(self, source: DatabaseSource, readers: int) -> AbstractContextManager[Snapshot]:
        return snapshot.opened(source, readers)

    def chunks(self, reader: Reader, table: SourceTable, target_bytes: int, *, by_key: bool) -> list[Chunk]:
        """By key always: there is nothing else to split by."""
        return chunks.by_key(reader, table, target_bytes)

    def select(self, table: SourceTable, chunk: Chunk) -> str:
        return projection.select(table, chunk)

    def spark_select(self, table: SourceTable, chunk: Chunk) -> str:
        return spark.select(table, chunk)

    def row_hash(self, table: SourceTable, predicate: str) -> str:
        return hashing.row_hash(table, predicate)

    def row_hashes(self, table: SourceTable, predicate: str) -> str:
        return hashing.row_hashes(table, predicate)


DIALECT: Dialect = MySql()
