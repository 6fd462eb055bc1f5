"""Which rows a poll must look at, so that none is missed whenever its transaction ends, and none is taken twice.

A row becomes visible at the end of its transaction; its cursor's value was given to it at any time since the
beginning. So the rows above the highest value seen are not all that is new: below it are those of transactions that
ran at the poll before. A poll therefore looks back as far as the oldest of them may have written, and passes over what
it has. The database tells which transactions run; what it cannot tell, an overlap in time makes up for.

PostgreSQL also tells each row's transaction: rows of transactions that had all ended at the poll before are not looked
at again.
"""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class State(msgspec.Struct, frozen=True):
    """How far a table was polled; in the lake it is moved by the commit of the rows.

    `reached` is the highest cursor seen and `low` the lowest that a late row may have, as the database writes them;
    None before the first row. Rows at or above them were read at `reached_read_at` and `low_read_at` or later
    (microseconds since 1970, this machine's clock). `xid`: every transaction before it had ended.
    """

    reached: str | None = None
    low: str | None = None
    reached_read_at: int = 0
    low_read_at: int = 0
    xid: int = 0


class Moment(NamedTuple):
    """A look at the database: its clock right after the view was taken, our clock, and the highest cursor seen."""

    at: datetime
    read_at: int
    reached: str | None
    next_xid: int


class Running(NamedTuple):
    """What could still commit just before a view was taken: `oldest` is the start of the oldest transaction that runs,
    or the database's own time then; with `is_known` false there may be older ones that this user cannot see."""

    oldest: datetime
    is_known: bool


class Window:
    """The state after the last poll, and the events read that a later poll may meet again, by their 16-byte ids."""

    def __init__(self, state: State, known: Iterable[bytes] = ()) -> None:
        self.state = state
        self._moments = deque([Moment(_BEFORE_ALL, state.low_read_at, state.low, 0)])
        self._restored: list[bytes] | None = list(known)
        self._seen = set(self._restored or ())
        self._polls: deque[tuple[int, int, list[bytes]]] = deque()

    def is_new(self, event: bytes) -> bool:
        """Whether no poll has given this event yet."""
        return event not in self._seen

    def next_state(self, running: Running, overlap: timedelta, xid: int, moment: Moment) -> State:
        """The state after a poll whose view is `moment`; `xid` is the oldest transaction that ran in it, or 0."""
        moments = [*self._moments, *self._added(moment)]
        oldest = running.oldest - overlap
        while len(moments) > 1 and moments[1].at <= oldest and moments[1].next_xid <= xid:
            del moments[0]
        return State(moment.reached, moments[0].reached, moments[-1].read_at, moments[0].read_at, xid)

    def polled(self, state: State, moment: Moment, events: list[bytes]) -> None:
        """The poll's events are where they cannot be lost: go on from `state`."""
        self._moments.extend(self._added(moment))
        while len(self._moments) > 1 and self._moments[0].reached != state.low:
            self._moments.popleft()
        self.state = state
        if self._restored is not None:
            events = self._restored + events
            self._restored = None
        if events:
            self._seen.update(events)
            self._polls.append((moment.read_at, moment.next_xid, events))
        while self._polls and self._is_past(*self._polls[0][:2]):
            self._seen.difference_update(self._polls.popleft()[2])

    def __len__(self) -> int:
        return len(self._seen)

    def _added(self, moment: Moment) -> list[Moment]:
        """The moment where it is the first with its cursor; of one seen before the last start, as read then."""
        if moment.reached == self._moments[-1].reached:
            return []
        if moment.reached == self.state.reached:
            moment = moment._replace(read_at=self.state.reached_read_at)
        return [moment]

    def _is_past(self, read_at: int, next_xid: int) -> bool:
        """Whether no later poll looks at what was read then."""
        return 0 < next_xid <= self.state.xid or (self.state.low is not None and read_at < self.state.low_read_at)
