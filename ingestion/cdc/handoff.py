"""Where a source's change stream begins: at what its copies have seen, or where the connector was; or nowhere any more.

The visibility of single transactions is the sink's to decide, by the snapshot in each copy's mark. Here it is enough
that the log is read from before every copy's snapshot, and that the log is still there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.bulk.dialects.postgres.log import log_name
from ingestion.bulk.marks import View, newest_complete
from ingestion.bulk.model import SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import PermanentError, UsageError

Offset = Mapping[str, Any]
Stored = Callable[[], Offset | None]  # asks Connect where a connector goes on
_SLOT = """
select confirmed_flush_lsn::text, coalesce(wal_status, ''), active,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint
from pg_replication_slots where slot_name = %s and database = current_database()"""


class LogLostError(PermanentError):
    """The source's log no longer reaches back to the copies: changes are lost unless the tables are loaded again."""

    def __init__(self, source: str, reason: str, first: str = "") -> None:
        before = f"{first}, then " if first else ""
        super().__init__(
            f"{source}: {reason}, so changes after the copies are lost. Load the tables again: "
            f"{before}`frazil bulk load {source} --no-resume`, then `frazil cdc register {source}`"
        )


@dataclass(frozen=True)
class Copies:
    """The views that the newest complete copies were made in, by raw table; `missing` tables have none."""

    views: Mapping[str, View]
    missing: tuple[str, ...]

    @property
    def first(self) -> View:
        return min(self.views.values(), key=lambda view: view.position)


@dataclass(frozen=True)
class Slot:
    """PostgreSQL's replication slot of a source: how far its reader has confirmed, and how much log it holds."""

    confirmed: int
    status: str
    is_active: bool
    held_bytes: int


def copies_of(catalog: Catalog, source: DatabaseSource, tables: Sequence[SourceTable]) -> Copies:
    """Raises UsageError that says how to load when no table has a complete copy."""
    views: dict[str, View] = {}
    for table in tables:
        try:
            found = newest_complete(catalog.load_table(table.raw_name))
        except NoSuchTableError:
            continue
        if found and found[1].first_view:
            views[table.raw_name] = found[1].first_view
    missing = tuple(f"{table.schema}.{table.name}" for table in tables if table.raw_name not in views)
    if not views:
        raise UsageError(f"{source.name}: no table was loaded yet; run `frazil bulk load {source.name}` first")
    return Copies(views, missing)


def check_log(source: DatabaseSource) -> None:
    """Raises LogLostError when what keeps the log is gone, wherever the connector was."""
    if source.dialect == "postgres":
        _check_slot(source, slot_of(source))


def trouble(source: DatabaseSource, slot: Slot | None, stored: Offset | None) -> str:
    """Why the log cannot be read on, and what to do; empty if it can. `slot` is PostgreSQL's, as it is now.

    `stored` is where a connector that does not run goes on, asked for after the slot; None if it runs.
    """
    name = source.name
    if source.dialect == "postgres":
        try:
            confirmed = _check_slot(source, slot).confirmed
        except LogLostError as error:
            return str(error)
        if stored and confirmed > _reached(stored):
            ahead = f"{name}: the replication slot {log_name(source)} is ahead of the connector"
            return f"{ahead}; run `frazil cdc register {name}`, which goes on or says what to load"
    elif source.dialect == "mysql" and stored and not _is_within(stored, _binlogs(source)):
        gone = f"{name}: the binary log {stored.get('file')} that the connector stopped in is gone"
        return f"{gone}; run `frazil cdc register {name}`, which goes on from newer copies or says what to load"
    return ""


def _check_slot(source: DatabaseSource, slot: Slot | None) -> Slot:
    if slot is None:
        raise LogLostError(source.name, f"the replication slot {log_name(source)} is gone")
    if slot.status == "lost":
        first = f"`frazil cdc unregister {source.name} --drop-log`"
        raise LogLostError(source.name, f"the replication slot {log_name(source)} has lost its log", first)
    return slot


def starting_offset(source: DatabaseSource, copies: Copies, stored: Stored) -> Offset | None:
    """The offset to begin at; None: go on from the `stored` one. Raises LogLostError when neither can be.

    A connector that runs moves on meanwhile: PostgreSQL's slot follows its offset, so the slot is asked first; a binary
    log is ahead of it, so the log is asked last.
    """
    of_dialect: dict[str, Callable[[DatabaseSource, Copies, Stored], Offset | None]] = {
        "postgres": _postgres,
        "mysql": _binlog,
        "oracle": _oracle,
    }
    return of_dialect[source.dialect](source, copies, stored)


def beginning(source: DatabaseSource, view: View) -> Offset | None:
    """The offset from which the log has all that `view` did not see; None where the server writes no log."""
    if source.dialect == "postgres":
        return {"lsn": number(view.start)}
    if source.dialect == "oracle":
        return {"scn": view.start, "commit_scn": view.start}
    file, _, place = view.start.rpartition(":")
    gtids = {"gtids": view.snapshot} if view.snapshot else {}
    return {"file": file, "pos": int(place), **gtids} if file else None


def number(lsn: str) -> int:
    """An LSN as Debezium counts it: 0/16B3748 as 23803720."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def slot_of(source: DatabaseSource) -> Slot | None:
    """The source's slot as it is now; None: there is none."""
    from ingestion.bulk.dialects.postgres.connection import connected

    with connected(source) as connection:
        found = connection.execute(_SLOT, (log_name(source),)).fetchone()
    if found is None or found[0] is None:
        return None
    return Slot(number(found[0]), found[1], found[2], found[3])


def drop_log(source: DatabaseSource) -> None:
    """Give up what keeps the log for a source (PostgreSQL: slot and publication); nothing happens if it is gone."""
    if source.dialect != "postgres":
        return
    from ingestion.bulk.dialects.postgres.connection import connected, quoted

    name = log_name(source)
    with connected(source) as connection:
        sql = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
        connection.execute(sql, (name,))
        connection.execute(f"drop publication if exists {quoted(name)}".encode())


def _postgres(source: DatabaseSource, copies: Copies, stored: Stored) -> Offset | None:
    slot = _check_slot(source, slot_of(source))
    found = stored()
    if found and slot.confirmed <= _reached(found):
        return None
    if slot.confirmed <= number(copies.first.position):
        return {"lsn": slot.confirmed}
    late = ", ".join(sorted(name for name, view in copies.views.items() if number(view.position) < slot.confirmed))
    raise LogLostError(source.name, f"the slot {log_name(source)} was made or moved after the copies of {late}")


def _reached(stored: Offset) -> int:
    """How far a connector of PostgreSQL has read."""
    return max(int(stored.get(key) or 0) for key in ("lsn", "lsn_proc", "lsn_commit"))


def _binlogs(source: DatabaseSource) -> dict[str, int]:
    """The bytes of each binary log that the server has."""
    from ingestion.bulk.dialects.mysql.connection import connected, rows

    with connected(source) as connection:
        return {str(row[0]): int(row[1]) for row in rows(connection, "show binary logs")}


def _is_within(stored: Offset, sizes: Mapping[str, int]) -> bool:
    """Whether a place is in a binary log that is there."""
    return int(stored.get("pos") or 0) <= sizes.get(str(stored.get("file")), -1)


def _binlog(source: DatabaseSource, copies: Copies, stored: Stored) -> Offset | None:
    found = stored()
    sizes = _binlogs(source)
    if found and _is_within(found, sizes):
        return None
    begin = beginning(source, copies.first)
    if begin is None:
        raise LogLostError(source.name, "the copies were made while the server wrote no binary log")
    file = begin["file"]
    if file not in sizes or begin["pos"] > sizes[file]:
        oldest = min(sizes, default="none")
        raise LogLostError(source.name, f"the binary log {file} is gone (the oldest is {oldest})")
    return begin


def _oracle(source: DatabaseSource, copies: Copies, stored: Stored) -> Offset | None:
    found = stored()
    if found and found.get("scn"):
        return None
    return beginning(source, min(copies.views.values(), key=lambda one: int(one.start)))
