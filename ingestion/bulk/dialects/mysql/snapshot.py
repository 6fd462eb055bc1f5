"""Transactions of MySQL or MariaDB that all see the database as it was at one place of its log."""

import logging
import queue
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pymysql

from ingestion.bulk.dialects.base import Jdbc, TableChangedError
from ingestion.bulk.dialects.mysql import log
from ingestion.bulk.dialects.mysql.connection import (
    LOCK_WAIT,
    SETTINGS,
    Connection,
    close,
    code,
    connect,
    relation,
    rows,
    short,
    streamed,
    told,
)
from ingestion.bulk.dialects.mysql.projection import wire
from ingestion.bulk.model import Chunk, Column, Position, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.typed import typed_batch
from ingestion.errors import RetryableError

_log = logging.getLogger(__name__)
_REPEATABLE = "set session transaction isolation level repeatable read"
_BEGIN = (_REPEATABLE, "start transaction with consistent snapshot")
_DENIED = (1044, 1045, 1142, 1227)
_REWRITTEN = 1412
_TRIES_FOR_LOCK, _SECONDS_FOR_LOCK, _PAUSE = 20, 1, 0.2
_TRIES_WITHOUT_LOCK = 50


class MySqlReader:
    """A connection in its transaction; for one thread at a time."""

    def __init__(self, source: DatabaseSource, connection: Connection) -> None:
        self._source, self._connection = source, connection

    def hold(self, table: SourceTable) -> None:
        """See Reader.hold: a table that a transaction has read keeps its form until the transaction ends."""
        name = relation(table.schema, table.name)
        with told(self._source):
            try:
                rows(self._connection, f"select 1 from {name} limit 1")
            except pymysql.Error as error:
                if code(error) != _REWRITTEN:
                    raise
                raise TableChangedError(
                    f"{self._source.name}: {name} was written anew after the snapshot was taken"
                ) from error

    def read(self, table: SourceTable, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """See Reader.read."""
        with told(self._source), streamed(self._connection, wire(table, chunk)) as cursor:
            while fetched := cursor.fetchmany(self._source.batch_size):
                texts = [
                    _text(column, values)
                    for column, values in zip(table.columns, zip(*fetched, strict=True), strict=True)
                ]
                yield typed_batch(table, texts)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """See Reader.fetch."""
        with told(self._source):
            return rows(self._connection, sql)


def _text(column: Column, values: tuple[Any, ...]) -> pa.Array:
    if pa.types.is_binary(column.field.type):
        return pa.array([one.encode("latin-1") if isinstance(one, str) else one for one in values], pa.binary())
    return pa.array(values, pa.string())


class MySqlSnapshot:
    """Its connections are all made at the start: none can join later."""

    def __init__(self, source: DatabaseSource, connections: list[Connection], place: log.LogPlace) -> None:
        self._source, self._connections = source, connections
        self.position = Position(place.fixed_width, place.gtid, place.start, datetime.now(UTC))
        self._free: queue.LifoQueue[Connection] = queue.LifoQueue()
        for connection in connections:
            self._free.put(connection)

    def reader(self) -> AbstractContextManager[MySqlReader]:
        """See Snapshot.reader. Raises RetryableError when every connection of this view was lost."""
        return self._borrowed(self._free.get())

    def spare(self) -> AbstractContextManager[MySqlReader | None]:
        """See Snapshot.spare."""
        try:
            found = self._free.get_nowait()
        except queue.Empty:
            return nullcontext()
        if found.open:
            return self._borrowed(found)
        self._free.queue.insert(0, found)
        return nullcontext()

    @contextmanager
    def _borrowed(self, connection: Connection) -> Iterator[MySqlReader]:
        try:
            while not connection.open:
                if not any(one.open for one in self._connections):
                    raise RetryableError(f"{self._source.name}: all connections of the snapshot are lost; start again")
                # Dead ones stay at the bottom of the stack, so that those who wait are told when none is left.
                dead, connection = connection, self._free.get()
                self._free.queue.insert(0, dead)
            yield MySqlReader(self._source, connection)
        finally:
            self._free.put(connection)

    def jdbc(self) -> Jdbc:
        """See Snapshot.jdbc: Spark's connections see the database as it is when they ask, each its own view."""
        source = self._source
        properties = {
            "user": source.user,
            "password": source.password.get_secret_value(),
            "fetchsize": str(source.batch_size),
            "useCursorFetch": "false",
            "connectTimeout": str(source.connect_timeout * 1000),
            "tinyInt1isBit": "false",
            "yearIsDateType": "false",
            "sslMode": {"verify_ca": "verify-ca", "verify_full": "verify-full", "require": "trust"}.get(
                source.tls.mode, "disable"
            ),
        }
        if source.tls.ca_file is not None:
            properties["serverSslCert"] = str(source.tls.ca_file)
        settings = "set " + ", ".join(f"session {name} = {value}" for name, value in SETTINGS.items())
        # With this scheme Spark quotes names in MySQL's way; the driver takes it where it is told to.
        url = f"jdbc:mysql://{source.host}:{source.effective_port}/{source.database}?permitMysqlScheme"
        return Jdbc(url, "org.mariadb.jdbc.Driver", properties, settings)

    def close(self) -> None:
        """End the view; readers still in use fail at their next statement."""
        for connection in self._connections:
            close(connection)


@contextmanager
def opened(source: DatabaseSource, readers: int) -> Iterator[MySqlSnapshot]:
    """See Dialect.snapshot.

    Writers stand still only while the transactions are started, under a global read lock. Where that is not to be had,
    MariaDB's transactions are started until all happen to be at one place of the log, which it tells for each; MySQL
    gets one reader and a place from before its transaction, so that changes near it come twice, never not at all.
    """
    connections: list[Connection] = []
    try:
        for _ in range(readers):
            connections.append(connect(source))
        with told(source):
            place = _locked(source, connections)
            if place is None:
                place = _unlocked(source, connections)
        snapshot = MySqlSnapshot(source, connections, place)
    except BaseException:
        for connection in connections:
            close(connection)
        raise
    try:
        yield snapshot
    finally:
        snapshot.close()


def _begin(connection: Connection) -> None:
    for statement in _BEGIN:
        rows(connection, statement)


def _locked(source: DatabaseSource, connections: list[Connection]) -> log.LogPlace | None:
    """None where writers cannot be held for a moment, or without the privilege for it or to be told the place."""
    holder = connect(source)
    try:
        _hold_writers(holder)
        for connection in connections:
            _begin(connection)
        return log.current(holder)
    except pymysql.Error as error:
        if code(error) not in (*_DENIED, LOCK_WAIT):
            raise
        _log.warning("no_global_lock", extra={"source": source.name, "reason": short(error)})
        return None
    finally:
        close(holder)  # and with it the lock


def _hold_writers(holder: Connection) -> None:
    """Lock all tables against writers, as long as the connection lasts.

    The lock waits for statements that run; one that waits for a row of a transaction, whose next statement waits for
    this lock, never ends. The server sees no deadlock in it, and until the time is out nobody writes: so time is short.
    """
    rows(holder, f"set session lock_wait_timeout = {_SECONDS_FOR_LOCK}")
    for left in reversed(range(_TRIES_FOR_LOCK)):
        try:
            rows(holder, "flush tables with read lock")
            return
        except pymysql.Error as error:
            if code(error) != LOCK_WAIT or not left:
                raise
        time.sleep(_PAUSE)


def _unlocked(source: DatabaseSource, connections: list[Connection]) -> log.LogPlace:
    if not log.is_mariadb(connections[0]):
        place = log.current(connections[0])
        _log.warning("one_reader_only", extra={"source": source.name})
        for connection in connections[1:]:
            close(connection)
        del connections[1:]
        _begin(connections[0])
        return place
    for attempt in range(_TRIES_WITHOUT_LOCK):
        for connection in connections:
            _begin(connection)
        places = {log.of_snapshot(connection) for connection in connections}
        if len(places) == 1:
            return places.pop() or log.NO_LOG
        time.sleep(0.01 * (attempt % 5))
    raise RetryableError(
        f"{source.name}: writers never paused for a common snapshot; see that {source.user!r} has RELOAD, "
        "load when fewer transactions wait for each other, or with --parallel-tables 1 --parallel-workers 1"
    )
