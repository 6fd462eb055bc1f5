"""One table, polled: what is new goes to the bus, and how far that was goes with it.

Nothing is kept here that is not known from the lake and the bus: on start, and after every failure, the place is that
of the last row on the bus, or, where the lake has them all, of the lake.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import And
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.model import Chunk, Column
from ingestion.bulk.notify import follow
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError
from ingestion.poll import metrics
from ingestion.poll.bus import Bus
from ingestion.poll.message import bodies
from ingestion.poll.tables import Polled
from ingestion.poll.views.base import View, views_of
from ingestion.poll.window import Moment, State, Window
from ingestion.webhooks.journal import Delivery

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_FIRST = "0000000000"  # as the rows of copies have it
PROPERTY = "frazil.poll"  # of a raw table: the state behind its polled rows
POLL = "poll"  # as `_load_type`, and before the source's name in deliveries
_KNOWN, _UNKNOWN = 5.0, 60.0  # seconds of overlap
_AHEAD, _AHEAD_SOMEWHERE = timedelta(minutes=5), timedelta(days=1)  # clocks differ by less; without a zone, days too
_SKEW = 60_000_000  # microseconds that the clocks of writer and poller may differ by
_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell


class Note(msgspec.Struct, omit_defaults=True):
    """What goes with a row: its raw table, place in the source and event; with a poll's last row the `state`."""

    table: str
    position: str
    event: str
    state: State | None = None


_decode = msgspec.json.Decoder(Note).decode


@dataclass
class Poll:
    """What one poll found. `is_full`: there is more to be had at once."""

    rows: int = 0
    repeats: int = 0
    is_full: bool = False
    seconds: float = 0.0


@dataclass
class _Found:
    moment: Moment
    state: State
    position: str
    repeats: int = 0
    is_full: bool = False
    events: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class Poller:
    """Polls one table for one process; for one thread. `bus` is closed with it."""

    def __init__(self, catalog: Catalog, source: DatabaseSource, polled: Polled, bus: Bus) -> None:
        self.polled = polled
        self.raw_name = polled.table.raw_name
        self._catalog, self._source, self._bus = catalog, source, bus
        self._views = views_of(source)
        self._window: Window | None = None
        self._start = secrets.token_bytes(8)
        self._said_unknown = self._said_ahead = False

    def poll(self) -> Poll:
        """One look. Raises RetryableError when another may succeed, ContractError when the columns changed against
        their contract, PermanentError for what only people can settle."""
        started = time.monotonic()
        window = self._recovered() if self._window is None else self._window
        self._window = None  # until it is known what became of the rows
        with self._views.opened(self._source) as view:
            found = self._look(view, window)
        deliveries = list(self._deliveries(found))
        if deliveries:
            self._bus.send(deliveries)
        window.polled(found.state, found.moment, found.events)
        self._window = window
        metrics.ROWS.labels(self.raw_name).inc(len(deliveries))
        metrics.REPEATS.labels(self.raw_name).inc(found.repeats)
        metrics.HELD.labels(self.raw_name).set(len(window))
        return Poll(len(deliveries), found.repeats, found.is_full, time.monotonic() - started)

    def depth(self) -> int:
        """How many rows wait for the sink."""
        return self._bus.depth()

    def follow(self, polled: Polled) -> None:
        """Bring raw in step with the table as it is now. Raises ContractError where its contract forbids that."""
        self.polled = Polled(follow(self._catalog, self._source, polled.table), polled.cursor, polled.topic)

    def close(self) -> None:
        self._bus.close()

    def _look(self, view: View, window: Window) -> _Found:
        table, cursor, state = self.polled.table, self.polled.cursor, window.state
        fresh = self._views.fresh(cursor, state.reached)
        believed = [self._views.at_most(cursor, _farthest(cursor, view.at))] if _is_time(cursor) else []
        page = self._cursor_at(view, [fresh, *believed], offset=self._source.poll.rows - 1)
        last = page or self._cursor_at(view, [fresh, *believed], is_last=True) or state.reached
        bound = [self._views.at_most(cursor, page)] if page is not None else believed
        asked = " and ".join([f"({fresh} or {self._views.late(cursor, state, view)})", *bound])
        if page is None and believed:
            self._tell_of_rows_ahead(view)
        moment = Moment(view.at, time.time_ns() // 1_000, last, view.next_xid)
        next_state = window.next_state(view.running, self._overlap(view), view.xid, moment)
        position = f"{view.position}.{_FIRST}@{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        found = _Found(moment, next_state, position, is_full=page is not None)
        for batch in view.reader.read(table, Chunk("poll", asked, 0, 0)):
            for body in bodies(batch):
                event = sha256(body).digest()[:16]
                if window.is_new(event):
                    found.events.append(event)
                    found.bodies.append(body)
                else:
                    found.repeats += 1
        return found

    def _tell_of_rows_ahead(self, view: View) -> None:
        """Once: rows of a day that is yet to come are read then; were the cursor there, all before would be missed."""
        if self._said_ahead:
            return
        self._said_ahead = True
        name = self._views.name(self.polled.table)
        later = self._views.fresh(self.polled.cursor, _farthest(self.polled.cursor, view.at))
        [(count,)] = view.reader.fetch(f"select count(*) from {name} where {later}")
        if count:
            facts = {"source": self._source.name, "table": self.raw_name, "rows": count}
            log.warning("rows_ahead_of_time", extra={**facts, "next": "read when their time comes"})

    def _cursor_at(self, view: View, parts: list[str], *, offset: int = 0, is_last: bool = False) -> str | None:
        """The cursor of one of the rows that all `parts` let pass, in its order; None where there are not so many."""
        cursor = self.polled.cursor
        name = self._views.quoted(cursor)
        ordered = (
            f"select {name} from {self._views.name(self.polled.table)} "
            f"where {' and '.join(parts)} order by {name} {'desc' if is_last else 'asc'} "
            f"limit 1 offset {offset}"
        )
        # Outside, or PostgreSQL would order by the text, in which 9 is above 10.
        rows = view.reader.fetch(f"select {self._views.text(cursor)} from ({ordered}) as found")
        return str(rows[0][0]) if rows else None

    def _overlap(self, view: View) -> timedelta:
        own = self._source.poll.overlap_seconds
        if not view.running.is_known and not self._said_unknown:
            self._said_unknown = True
            needed = "pg_read_all_stats" if self._source.dialect == "postgres" else "PROCESS"
            facts = {"source": self._source.name, "table": self.raw_name, "overlap_seconds": own or _UNKNOWN}
            log.warning("transactions_not_seen", extra={**facts, "next": f"grant {needed} to its user"})
        seconds = (_KNOWN if view.running.is_known else _UNKNOWN) if own is None else own
        return timedelta(seconds=seconds)

    def _deliveries(self, found: _Found) -> Iterator[Delivery]:
        name = self.raw_name.removeprefix("raw.")
        last = len(found.events) - 1
        for number, (event, body) in enumerate(zip(found.events, found.bodies, strict=True)):
            state = found.state if number == last else None
            note = Note(name, found.position, f"{name}:{event.hex()}", state)
            identity = sha256(self._start + found.moment.read_at.to_bytes(8, "big") + event).digest()[:16]
            yield Delivery(f"{POLL}/{self._source.name}", identity, found.moment.read_at, _encode(note), body, None)

    def _recovered(self) -> Window:
        """Where lake and bus are. The bus is read first: what leaves it meanwhile is then in the lake."""
        notes = [_decode(delivery.headers) for delivery in self._bus.waiting()]
        states = [note.state for note in notes if note.state is not None]
        try:
            raw = self._catalog.load_table(self.raw_name)
            stored = raw.properties.get(PROPERTY)
            state = states[-1] if states else msgspec.json.decode(stored, type=State) if stored else State()
            since = datetime.fromtimestamp(max(state.low_read_at - _SKEW, 0) / 1_000_000, UTC).isoformat()
            recent = And(_BY_NAME.GreaterThanOrEqual("_loaded_at", since), _BY_NAME.EqualTo("_load_type", POLL))
            loaded = raw.scan(recent, selected_fields=("_event_id",)).to_arrow()["_event_id"].to_pylist()
        except NoSuchTableError as error:
            raise RetryableError(f"{self.raw_name} has been dropped; it is made anew at the next look") from error
        except (SQLAlchemyError, OSError) as error:
            raise RetryableError(f"{self.raw_name}: the lake does not answer ({_short(error)})") from error
        events = [*loaded, *(note.event for note in notes)]
        log.info("poll_from", extra={"source": self._source.name, "table": self.raw_name, "cursor": state.reached})
        return Window(state, (bytes.fromhex(event.rpartition(":")[2]) for event in events))


def _is_time(cursor: Column) -> bool:
    return bool(pa.types.is_timestamp(cursor.field.type) or pa.types.is_date(cursor.field.type))


def _farthest(cursor: Column, now: datetime) -> str:
    """The highest cursor that is believed, as both kinds of database read it for a time or a date."""
    has_zone = pa.types.is_timestamp(cursor.field.type) and cursor.field.type.tz is not None
    return f"{now.astimezone(UTC) + (_AHEAD if has_zone else _AHEAD_SOMEWHERE):%Y-%m-%d %H:%M:%S}"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
