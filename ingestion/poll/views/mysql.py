"""Polling MySQL and MariaDB: consistent views without a lock, and the oldest transaction where the user may know it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pymysql

from ingestion.bulk.dialects.mysql import log
from ingestion.bulk.dialects.mysql.connection import Connection, code, connected, literal, quoted, relation, rows, told
from ingestion.bulk.dialects.mysql.snapshot import MySqlReader
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.poll.views.base import View
from ingestion.poll.window import Running, State

_DENIED = (1044, 1142, 1227)
_BEGIN = (
    "set session transaction isolation level repeatable read",
    "start transaction with consistent snapshot, read only",
)
_NOW = "select now(6)"
# Its times are whole seconds on the system's own clock, whatever the session's zone.
_OLDEST = """
select max(timestampdiff(second, trx_started, convert_tz(now(6), @@session.time_zone, 'SYSTEM')))
from information_schema.innodb_trx where trx_mysql_thread_id <> connection_id()"""


class MySqlViews:
    """See Views."""

    @contextmanager
    def opened(self, source: DatabaseSource) -> Iterator[View]:
        """See Views.opened. Nothing is locked: the place in the log may be a little before the view."""
        with connected(source, again=True) as connection, told(source):
            running = _running(connection)
            place = _place(connection)
            for statement in _BEGIN:
                rows(connection, statement)
            yield View(MySqlReader(source, connection), running, place.fixed_width, _now(connection))

    def name(self, table: SourceTable) -> str:
        """See Views.name."""
        return relation(table.schema, table.name)

    def quoted(self, column: Column) -> str:
        """See Views.quoted."""
        return quoted(column.name)

    def text(self, column: Column) -> str:
        """See Views.text."""
        return f"cast({quoted(column.name)} as char)"

    def fresh(self, column: Column, reached: str | None) -> str:
        """See Views.fresh."""
        return f"{quoted(column.name)} " + ("is not null" if reached is None else f"> {_literal(column, reached)}")

    def at_most(self, column: Column, value: str) -> str:
        """See Views.at_most: rows without a cursor are never read."""
        return f"{quoted(column.name)} <= {_literal(column, value)}"

    def late(self, column: Column, state: State, view: View) -> str:
        """See Views.late."""
        if state.low is None:
            return f"{quoted(column.name)} is not null"
        return f"{quoted(column.name)} >= {_literal(column, state.low)}"


def _running(connection: Connection) -> Running:
    at = _now(connection)
    try:
        [(seconds,)] = rows(connection, _OLDEST)
    except pymysql.Error as error:
        if code(error) not in _DENIED:
            raise
        return Running(at, False)
    return Running(at - timedelta(seconds=max(int(seconds), 0) + 1) if seconds is not None else at, True)


def _place(connection: Connection) -> log.LogPlace:
    try:
        return log.current(connection)
    except pymysql.Error as error:
        if code(error) not in _DENIED:
            raise
        return log.NO_LOG


def _now(connection: Connection) -> datetime:
    [(found,)] = rows(connection, _NOW)
    return datetime.fromisoformat(str(found)).replace(tzinfo=UTC)


def _literal(column: Column, value: str) -> str:
    """Numbers bare: against a text, whole numbers would be compared as floating point."""
    kind = column.field.type
    return value if pa.types.is_integer(kind) or pa.types.is_decimal(kind) else literal(value)


VIEWS = MySqlViews()
