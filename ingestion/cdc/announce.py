"""A copy of followed tables, made known to the sink before its snapshot is taken.

The sink ranks a transaction that a snapshot did not see above that snapshot's rows, so it must know of every snapshot
before it writes what came after it. The order of commits to the raw table settles that: `pending` first, then the
snapshot, then its view; in between the sink writes nothing to the table.
"""

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from ingestion.bulk.dialects.base import Dialect, Snapshot
from ingestion.bulk.marks import View
from ingestion.bulk.model import SourceTable
from ingestion.bulk.notify import follow
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.offsets import PENDING, VIEWS, Pending, announced_views
from ingestion.errors import ContractError, RetryableError
from ingestion.lake.append import AppendTable, Marks

LONGEST = 120.0  # seconds after which the sink goes on without hearing of the view
_VIEWS_KEPT = 20
log = logging.getLogger(__name__)


@contextmanager
def announced(
    catalog: Catalog, source: DatabaseSource, dialect: Dialect, tables: Sequence[SourceTable], readers: int
) -> Iterator[Snapshot]:
    """The dialect's snapshot, announced in the raw tables of `tables` if their source is followed by its log.

    A raw table that is absent is made: the sink may be faster than the load.
    """
    if source.dialect != "postgres" or "cdc" not in source.modes:  # a binlog's places are exact by themselves
        with dialect.snapshot(source, readers) as snapshot:
            yield snapshot
        return
    pending = Pending(uuid.uuid4().hex, time.time())
    raw = [found for table in tables if (found := _raw(catalog, source, table)) is not None]
    for table in raw:
        _announce(table, pending)
    try:
        with dialect.snapshot(source, readers) as snapshot:
            view = View.of(snapshot.position)
            for table in raw:
                _publish(table, pending, view)
            yield snapshot
    except BaseException:
        for table in raw:
            _withdraw(table, pending)
        raise


def _raw(catalog: Catalog, source: DatabaseSource, table: SourceTable) -> AppendTable | None:
    try:
        return AppendTable(catalog, table.raw_name)
    except NoSuchTableError:
        try:
            follow(catalog, source, table)
        except ContractError:  # the load says so itself
            return None
        return AppendTable(catalog, table.raw_name)


def _announce(table: AppendTable, pending: Pending) -> None:
    text = msgspec.json.encode(pending).decode()
    table.commit([], lambda stored, files: Marks({PENDING: text}))


def _publish(table: AppendTable, pending: Pending, view: View) -> None:
    def decide(stored: Table, files: object) -> Marks:
        if time.time() - pending.at > LONGEST * 0.8:
            raise RetryableError(f"{table.name}: the snapshot took too long to open for a followed table; try again")
        views = [*announced_views(stored.properties), view][-_VIEWS_KEPT:]
        gone = (PENDING,) if _is_ours(stored, pending) else ()
        return Marks({VIEWS: msgspec.json.encode(views).decode()}, gone)

    table.commit([], decide)


def _withdraw(table: AppendTable, pending: Pending) -> None:
    def decide(stored: Table, files: object) -> Marks | None:
        return Marks({}, (PENDING,)) if _is_ours(stored, pending) else None

    try:
        table.commit([], decide)
    except RetryableError as error:  # it is passed over after a while
        log.warning("announcement_left", extra={"table": table.name, "reason": str(error)})


def _is_ours(stored: Table, pending: Pending) -> bool:
    text = stored.properties.get(PENDING)
    return text is not None and msgspec.json.decode(text, type=Pending).id == pending.id
