"""Polling PostgreSQL: snapshots, running transactions, and the transaction of each row."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingestion.bulk.dialects.postgres.connection import connected, literal, quoted, relation, told
from ingestion.bulk.dialects.postgres.log import fixed_width
from ingestion.bulk.dialects.postgres.snapshot import PostgresReader
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError
from ingestion.poll.views.base import View
from ingestion.poll.window import Running, State

_EPOCH = 1 << 32  # rows have the lower half of their transaction's number
# Prepared transactions have a number and no session. Vacuums write no rows.
_RUNNING = """
select coalesce(least(clock_timestamp(), min(xact_start)), clock_timestamp()),
       pg_has_role(current_user, 'pg_read_all_stats', 'usage')
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'"""
_TAKEN = """
select pg_snapshot_xmin(found)::text::int8, pg_snapshot_xmax(found)::text::int8, clock_timestamp(),
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text
from pg_current_snapshot() as found"""


class PostgresViews:
    """See Views."""

    @contextmanager
    def opened(self, source: DatabaseSource) -> Iterator[View]:
        """See Views.opened."""
        with connected(source, again=True) as connection, told(source):
            running = connection.execute(_RUNNING).fetchone()
            connection.execute("begin isolation level repeatable read read only")
            taken = connection.execute(_TAKEN).fetchone()
            if running is None or taken is None:
                raise RetryableError(f"{source.name}: PostgreSQL told no snapshot")
            xid, next_xid, at, lsn = taken
            yield View(PostgresReader(source, connection), Running(*running), fixed_width(lsn), at, xid, next_xid)

    def name(self, table: SourceTable) -> str:
        """See Views.name: tables that inherit are tables of their own."""
        only = "" if table.kind == "partitioned" else "only "
        return only + relation(table.schema, table.name)

    def quoted(self, column: Column) -> str:
        """See Views.quoted."""
        return quoted(column.name)

    def text(self, column: Column) -> str:
        """See Views.text."""
        return f"{quoted(column.name)}::text"

    def fresh(self, column: Column, reached: str | None) -> str:
        """See Views.fresh."""
        return f"{quoted(column.name)} " + ("is not null" if reached is None else f"> {literal(reached)}")

    def at_most(self, column: Column, value: str) -> str:
        """See Views.at_most."""
        within = f"{quoted(column.name)} <= {literal(value)}"
        return f"({within} or {quoted(column.name)} is null)" if column.nullable else within

    def late(self, column: Column, state: State, view: View) -> str:
        """See Views.late. Savepoints have numbers above their transaction's: rows below `state.xid` are
        of transactions that had ended by the poll before."""
        start = view.next_xid - view.next_xid % _EPOCH
        row = "xmin::text::int8"
        whole = f"{row} + case when {row} >= {view.next_xid - start} then {start - _EPOCH} else {start} end"
        young = f"{whole} >= {state.xid}"
        if state.low is None:
            return young
        found = f"{quoted(column.name)} >= {literal(state.low)} and {young}"
        return f"({found} or {quoted(column.name)} is null and {young})" if column.nullable else f"({found})"


VIEWS = PostgresViews()
