"""One exported snapshot of PostgreSQL that every reader joins."""

import queue
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import psycopg
import pyarrow as pa

from ingestion.bulk.dialects.base import Jdbc, TableChangedError
from ingestion.bulk.dialects.postgres.connection import SETTINGS, Connection, connect, literal, relation, told
from ingestion.bulk.dialects.postgres.copy import batches
from ingestion.bulk.dialects.postgres.log import fixed_width, log_name
from ingestion.bulk.dialects.postgres.projection import wire
from ingestion.bulk.model import Chunk, Position, SourceTable
from ingestion.bulk.sources import DatabaseSource

_READ_ONLY = "begin isolation level repeatable read read only"
# The insert position, not the written one: a transaction that the snapshot sees may have committed asynchronously.
_TAKEN = """
select pg_export_snapshot(), pg_current_snapshot()::text,
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text"""
_SLOT = """
select confirmed_flush_lsn::text from pg_replication_slots
where slot_name = %s and database = current_database() and confirmed_flush_lsn is not null"""

# The snapshot sees pg_class as it was, the function sees the file of this moment: they differ after truncate and after
# every alter that writes the table anew, and then the old snapshot would find the table empty.
_REWRITTEN = """
select count(*) from pg_class c
where (c.oid = {table}::regclass or c.oid in (select relid from pg_partition_tree({table}::regclass)))
  and c.relfilenode <> 0 and c.relfilenode is distinct from pg_relation_filenode(c.oid)"""


class PostgresReader:
    """A connection inside the exported snapshot; for one thread at a time."""

    def __init__(self, source: DatabaseSource, connection: Connection) -> None:
        self._source, self._connection = source, connection

    def hold(self, table: SourceTable) -> None:
        """See Reader.hold."""
        name = relation(table.schema, table.name)
        with told(self._source):
            self._connection.execute(f"lock table {name} in access share mode".encode())
            found = self._connection.execute(_REWRITTEN.format(table=literal(name)).encode()).fetchone()
        if found is None or found[0]:
            raise TableChangedError(f"{self._source.name}: {name} was written anew after the snapshot was taken")

    def read(self, table: SourceTable, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """See Reader.read."""
        with told(self._source):
            yield from batches(self._connection, table, wire(table, chunk))

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """See Reader.fetch."""
        with told(self._source):
            return self._connection.execute(sql.encode()).fetchall()


class PostgresSnapshot:
    """Open as long as its first connection, which exported it."""

    def __init__(self, source: DatabaseSource, readers: int, first: Connection) -> None:
        self._source, self._first = source, first
        with told(source):
            first.execute(_READ_ONLY)
            taken = first.execute(_TAKEN).fetchone()
            slot = first.execute(_SLOT, (log_name(source),)).fetchone()
        assert taken is not None
        self.name, snapshot, lsn = taken
        start = slot[0] if slot else lsn
        self.position = Position(fixed_width(lsn), snapshot, start, datetime.now(UTC))
        self._free: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(readers):
            self._free.put(None)

    def reader(self) -> AbstractContextManager[PostgresReader]:
        """See Snapshot.reader. A connection that was lost is replaced by a new one in the same snapshot."""
        return self._borrowed(self._free.get())

    def spare(self) -> AbstractContextManager[PostgresReader | None]:
        """See Snapshot.spare."""
        try:
            return self._borrowed(self._free.get_nowait())
        except queue.Empty:
            return nullcontext()

    @contextmanager
    def _borrowed(self, connection: Connection | None) -> Iterator[PostgresReader]:
        try:
            if connection is None or connection.closed or connection.info.transaction_status != _IN_TRANSACTION:
                if connection is not None:
                    connection.close()
                    connection = None
                connection = self._joined()
            yield PostgresReader(self._source, connection)
        finally:
            self._free.put(connection)

    def _joined(self) -> Connection:
        connection = connect(self._source, again=True)
        try:
            with told(self._source):
                connection.execute(f"{_READ_ONLY}; set transaction snapshot {literal(self.name)}".encode())
        except BaseException:
            connection.close()
            raise
        return connection

    def jdbc(self) -> Jdbc:
        """See Snapshot.jdbc. The statement expects an open transaction: the driver's autocommit is off where a
        fetch size is set, which Spark does by itself before it runs the statement."""
        source = self._source
        settings = "; ".join(f"set local {name} = '{value}'" for name, value in SETTINGS.items())
        joined = "set transaction isolation level repeatable read read only; set transaction snapshot "
        properties = {
            "user": source.user,
            "password": source.password.get_secret_value(),
            "fetchsize": str(source.batch_size),
            "prepareThreshold": "-1",  # values come in binary from the first execution on, which is the only one
            "sslmode": source.tls.mode.replace("_", "-"),
            "ApplicationName": "frazil",
        }
        if source.tls.ca_file is not None:
            properties["sslrootcert"] = str(source.tls.ca_file)
        url = f"jdbc:postgresql://{source.host}:{source.effective_port}/{source.database}"
        return Jdbc(url, "org.postgresql.Driver", properties, f"{joined}{literal(self.name)}; {settings}")

    def close(self) -> None:
        """End the view; readers still in use fail at their next statement."""
        while True:
            try:
                connection = self._free.get_nowait()
            except queue.Empty:
                break
            if connection is not None:
                connection.close()
        self._first.close()


_IN_TRANSACTION = psycopg.pq.TransactionStatus.INTRANS


@contextmanager
def opened(source: DatabaseSource, readers: int) -> Iterator[PostgresSnapshot]:
    """See Dialect.snapshot."""
    first = connect(source)
    try:
        snapshot = PostgresSnapshot(source, readers, first)
    except BaseException:
        first.close()
        raise
    try:
        yield snapshot
    finally:
        snapshot.close()
