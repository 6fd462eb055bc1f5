"""Where a change stands in its source's order, as `_position`, and which changes a copy has seen already.

`_position` is `<place>.<order>`: the place is comparable with that of copies (`row_position`), whose order is all
zeros; that of a change begins with 1, so it ranks above a copy at the same place.

PostgreSQL's events do not carry their commit's place, but that of the commit before theirs, which orders transactions
as well; a transaction that a copy did not see is lifted to the copy's place. Within a transaction changes are ordered
by their own place in the log. MySQL and MariaDB write a transaction's rows in one piece: their place is the row's own.
Oracle's events carry their commit's system change number (SCN); a copy as of an SCN has seen what committed by then.

Places say so of one log alone. A log that began anew (a server restored or replaced) has low places again, so nothing
that was committed after a copy was taken counts as seen by it. Clocks that differ do no harm: a change that a copy has
seen and that is kept all the same ranks below the copy.
"""

import binascii
import re
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.bulk.marks import View
from ingestion.cdc.envelope import Source

_XIDS = 1 << 32
_SEQUENCE = re.compile(r'\["(\d+)"')
_SEQUENCES = msgspec.json.Decoder(list[tuple[int, int]], strict=False)
_MOST_AT_ONE_PLACE = 0xFFFF


class Last(msgspec.Struct, frozen=True, array_like=True):
    """The last change of a partition: what the order of the next one rests on."""

    commit: int = 0
    place: int = 0
    number: int = 0


NO_CHANGE = Last()


class Snapshot(NamedTuple):
    """PostgreSQL's `xmin:xmax:xip,...`: the transactions that a copy has seen."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(xid) for xid in running.split(",") if xid))

    def sees(self, xid: int) -> bool:
        """Of a transaction's number as the log has it, 32 bits wide: the nearest to the snapshot is meant."""
        xid = self.xmax + (xid - self.xmax + _XIDS // 2) % _XIDS - _XIDS // 2
        if xid < self.xmin:
            return True
        return xid < self.xmax and xid not in self.running


class Placed(NamedTuple):
    """The change's `_position`, the middle part of its `_event_id`, and whether a copy holds its effect already."""

    position: str
    identity: str
    is_seen: bool


class AllPlaced(NamedTuple):
    """What `Placed` says of many changes, none of which a copy has seen, as arrays of text.

    An identity is what its parts give when they are joined, each an array or the same for all.
    """

    positions: pa.Array
    identity: tuple[pa.Array | str, ...]


class Places(NamedTuple):
    """What the places of changes in PostgreSQL's log rest on: `xid` is their transaction's number."""

    lsn: list[int]
    xid: list[int]
    sequence: list[str]


class Ranking(Protocol):
    """Gives the changes of one table their places; `last` is what the partition's last change left.

    `places_all`: whether `place_all` is worth a try.
    """

    places_all: bool

    def place_all(self, places: Places, last: Last) -> tuple[AllPlaced, Last] | None:
        """The same places for many at once; None where they must be placed one by one."""
        ...

    def place(self, source: Source, last: Last) -> tuple[Placed, Last]:
        """Raises ValueError for an event without a place."""
        ...


class PostgresRanking:
    """`views` are of all copies of this log, `base` of the oldest complete one: what it has seen is not needed."""

    places_all = True

    def __init__(self, views: Sequence[View], base: Sequence[View]) -> None:
        self._views = [(view.position, _number(view.position), Snapshot.parse(view.snapshot)) for view in views]
        self._highest = max((number for _, number, _ in self._views), default=-1)
        self._base = [Snapshot.parse(view.snapshot) for view in base]
        self._seen_until = _taken_at(base)

    def place(self, source: Source, last: Last) -> tuple[Placed, Last]:
        """See Ranking."""
        lsn = source.lsn
        if lsn is None:
            raise ValueError("the event has no lsn")
        found = _SEQUENCE.match(source.sequence) if source.sequence else None
        commit = int(found.group(1)) if found else max(last.commit, lsn)
        number = last.number + 1 if (commit, lsn) == (last.commit, last.place) else 1
        place, is_seen = f"{commit >> 32:08X}/{commit & 0xFFFFFFFF:08X}", False
        if commit < self._highest:
            place, is_seen = self._against_copies(source, commit, place)
        position = f"{place}.1{commit:016X}{lsn:016X}{number:04X}"
        return Placed(position, f"{lsn:016X}-{source.txId}-{number}", is_seen), Last(commit, lsn, number)

    def place_all(self, places: Places, last: Last) -> tuple[AllPlaced, Last] | None:
        """See Ranking. Events of the ordinary kind alone, later than what copies have seen."""
        try:
            commits = [pair[0] for pair in _SEQUENCES.decode(f"[{','.join(places.sequence)}]")]
            transactions = pa.array(places.xid, pa.int64())
            encoded = pa.array(commits, pa.uint64()).dictionary_encode()  # few: those of whole transactions
            commit, place = _hex("Q", encoded.dictionary.to_pylist()), _hex("Q", places.lsn)
        except (TypeError, OverflowError, msgspec.MsgspecError, pa.ArrowException):
            return None
        if transactions.null_count or min(commits) < self._highest:
            return None
        numbers = _numbers(commits, places.lsn, last)
        most = max(numbers)
        if most > _MOST_AT_ONE_PLACE:
            return None
        high, low = pc.utf8_slice_codeunits(commit, 0, 8), pc.utf8_slice_codeunits(commit, 8)
        number, counted = ("0001", "1") if most == 1 else (_hex("H", numbers), pa.array(numbers).cast(pa.string()))
        heads = pc.binary_join_element_wise(high, "/", low, ".1", commit, "")
        of_each = pa.DictionaryArray.from_arrays(encoded.indices, heads).dictionary_decode()
        positions = pc.binary_join_element_wise(of_each, place, number, "")
        identity = (place, "-", transactions.cast(pa.string()), "-", counted)
        return AllPlaced(positions, identity), Last(commits[-1], places.lsn[-1], numbers[-1])

    def _against_copies(self, source: Source, commit: int, place: str) -> tuple[str, bool]:
        if source.txId is None:
            raise ValueError("the event has no txId")
        xid = int(source.txId)
        for position, number, snapshot in self._views:
            if number > commit and not snapshot.sees(xid):
                place = max(place, position)
        is_seen = _time(source) <= self._seen_until and all(snapshot.sees(xid) for snapshot in self._base)
        return place, is_seen


class BinlogRanking:
    """`base` are the views of the oldest complete copy: exact ones end at a transaction's border."""

    places_all = False

    def __init__(self, views: Sequence[View], base: Sequence[View]) -> None:
        self._seen_below = min((view.position for view in base), default="")
        self._seen_until = _taken_at(base)

    def place_all(self, places: Places, last: Last) -> None:
        """See Ranking: they are always placed one by one."""

    def place(self, source: Source, last: Last) -> tuple[Placed, Last]:
        """See Ranking."""
        if source.file is None or source.pos is None:
            raise ValueError("the event has no file and pos")
        digits = re.search(r"(\d+)$", source.file)
        file = int(digits.group(1)) if digits else 0
        row = source.row or 0
        number = last.number + 1 if (file, source.pos) == (last.commit, last.place) else 1
        place = f"{file:010d}:{source.pos:020d}"
        position = f"{place}.1{row:09d}{number:09d}"
        is_seen = place < self._seen_below and _time(source) <= self._seen_until
        return Placed(position, f"{file}-{source.pos}-{row}-{number}", is_seen), Last(file, source.pos, number)


class OracleRanking:
    """`base` are the views of the oldest complete copy. By Debezium's documentation: no server was at hand."""

    places_all = False

    def __init__(self, views: Sequence[View], base: Sequence[View]) -> None:
        self._seen_to = min((view.position for view in base), default="")
        self._seen_until = _taken_at(base)

    def place_all(self, places: Places, last: Last) -> None:
        """See Ranking: they are always placed one by one."""

    def place(self, source: Source, last: Last) -> tuple[Placed, Last]:
        """See Ranking. A row's own SCN is older than its commit's, so it says nothing of what a copy has seen."""
        if source.commit_scn is None or source.scn is None:
            raise ValueError("the event has no scn and commit_scn")
        commit, scn = int(source.commit_scn), int(source.scn)
        number = last.number + 1 if (commit, scn) == (last.commit, last.place) else 1
        place = f"{commit:020d}"
        position, identity = f"{place}.1{scn:020d}{number:09d}", f"{commit}-{scn}-{source.txId}-{number}"
        is_seen = place <= self._seen_to and _time(source) <= self._seen_until
        return Placed(position, identity, is_seen), Last(commit, scn, number)


def _numbers(commits: Sequence[int], places: Sequence[int], last: Last) -> list[int]:
    """Which of the changes at one place each is, from 1 on; the first may go on where `last` stood."""
    before = (last.commit, last.place)
    if len(set(places)) == len(places):  # the usual case
        return [last.number + 1 if (commits[0], places[0]) == before else 1, *[1] * (len(places) - 1)]
    numbers, number = [], last.number
    for pair in zip(commits, places, strict=True):
        number = number + 1 if pair == before else 1
        numbers.append(number)
        before = pair
    return numbers


def _hex(code: str, numbers: Sequence[Any]) -> pa.Array:
    """Numbers of one width (`code` as `array` has it) as text of one length.

    Raises TypeError or OverflowError for what is none.
    """
    found = array(code, numbers)
    if sys.byteorder == "little":
        found.byteswap()
    digits = pa.py_buffer(binascii.hexlify(found).upper())
    return pa.StringArray.from_buffers(len(numbers), _ends(2 * found.itemsize, len(numbers)), digits)


@lru_cache(maxsize=16)
def _ends(width: int, count: int) -> pa.Buffer:
    """Where texts of one length end."""
    return pa.array(range(0, width * count + 1, width), pa.int32()).buffers()[1]


def ranking(dialect: str, views: Sequence[View], base: Sequence[View]) -> Ranking:
    """The way this kind of database orders its changes."""
    kinds: dict[str, type[PostgresRanking | BinlogRanking | OracleRanking]] = {
        "postgres": PostgresRanking,
        "mysql": BinlogRanking,
        "oracle": OracleRanking,
    }
    return kinds[dialect](views, base)


def _taken_at(base: Sequence[View]) -> int:
    """When a copy was taken, in microseconds since 1970; before all changes if there is none."""
    return min((int(view.captured_at.timestamp() * 1_000_000) for view in base), default=-1)


def _time(source: Source) -> int:
    """Of the commit, in microseconds since 1970."""
    return source.ts_us if source.ts_us is not None else source.ts_ms * 1000


def _number(position: str) -> int:
    high, low = position.split("/")
    return (int(high, 16) << 32) + int(low, 16)
