"""Messages of one partition into rows of its raw table, and what cannot be one into the quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Message

from ingestion.cdc.envelope import Envelope, Row, decoded
from ingestion.cdc.followed import Followed
from ingestion.cdc.offsets import Offset
from ingestion.cdc.positions import NO_CHANGE, Last, Ranking
from ingestion.cdc.rows import Change, Whole
from ingestion.reasons import CONTRACT, UNREADABLE, Reason


class Letter(NamedTuple):
    """A message as the sink needs it; `at` in microseconds since 1970."""

    offset: int
    key: bytes | None
    value: bytes | None
    at: int


class Letters(Sequence[Letter]):
    """The letters of some messages of one partition, each made when it is looked at."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self.offsets: list[Any] = list(map(Message.offset, messages))
        self.values: list[bytes | None] = list(map(Message.value, messages))

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, place: int) -> Letter: ...

    @overload
    def __getitem__(self, place: slice) -> "Letters": ...

    def __getitem__(self, place: int | slice) -> "Letter | Letters":
        if isinstance(place, slice):
            return Letters(self._messages[place])
        message, value = self._messages[place], self.values[place]
        key: Any = message.key()
        return Letter(self.offsets[place], key, value, message.timestamp()[1] * 1000)

    def since(self, offset: int) -> "Letters":
        """Those from this offset on."""
        if not self.offsets or min(self.offsets) >= offset:
            return self
        return Letters([one for one, at in zip(self._messages, self.offsets, strict=True) if at >= offset])


@dataclass
class Partition:
    """A partition that this process has: where its table ends, and how far it was read since.

    `stored` is its mark in the lake and `begun` that of a commit under way, if there is one: the next commit must find
    it. `first` is the first offset that Kafka kept when it was taken up, `end` where nothing more was to be read: the
    end of a transaction has an offset too, which no consumer is given.
    `is_lost`: lake and Kafka must be asked where it goes on, which failed so many `tries`. `is_adrift`: the consumer is
    not there yet, so what it gives is not what comes next. `is_unproven`: messages before `first` were never read; a
    copy must have seen what they told. `turns` counts the rewinds.
    """

    topic: str
    number: int
    topic_id: str = ""
    stored: Offset | None = None
    begun: Offset | None = None
    next: int = 0
    last: Last = NO_CHANGE
    position: str = ""
    source_at: int = 0
    first: int = 0
    end: int = 0
    is_stopped: bool = False
    is_adrift: bool = False
    is_lost: bool = True
    is_unproven: bool = False
    tries: int = 0
    turns: int = 0

    def rewind(self, stored: Offset | None) -> None:
        """Begin again behind what the lake has."""
        self.stored, self.begun, self.end, self.turns = stored, None, 0, self.turns + 1
        found = stored or Offset(self.first)
        self.next, self.last, self.position, self.source_at = found.next, found.last, found.position, found.source_at

    @property
    def place(self) -> tuple[str, int]:
        return self.topic, self.number

    @property
    def offset(self) -> Offset:
        """The mark behind all that was read."""
        return Offset(max(self.next, self.end), self.topic_id, self.last, self.position, self.source_at)


class Rejected(NamedTuple):
    """A message for the quarantine."""

    letter: Letter
    reason: Reason
    detail: str
    event_id: str | None = None


@dataclass
class Taken:
    """What became of some messages: `messages == tombstones + seen + events + len(rejected)`.

    A keyless table's update is one event and two rows.
    """

    messages: int = 0
    bytes: int = 0
    tombstones: int = 0
    seen: int = 0
    events: int = 0
    rows: pa.Table | None = None
    rejected: list[Rejected] = field(default_factory=list)


class Intake:
    """Turns messages of one table into rows."""

    def __init__(self, followed: Followed, schema: str, name: str) -> None:
        self.followed = followed
        self._schema, self._name = schema, name
        self._key = followed.form.key
        self._head = followed.name.removeprefix("raw.")

    def changes(
        self, partition: Partition, letters: Sequence[Letter], ranking: Ranking
    ) -> tuple[Sequence[Change], Taken]:
        """The changes in the messages' order; moves the partition behind them."""
        taken = Taken(messages=len(letters))
        values = [value for value in _values(letters) if value is not None]
        taken.tombstones = len(letters) - len(values)
        taken.bytes = sum(map(len, values))
        found: Sequence[Change] | None = self._whole(partition, values, ranking)
        if found is None:
            found = self._one_by_one(partition, _full(letters), decoded(values), ranking, taken)
        else:
            taken.events = len(found)
        partition.next = letters[-1].offset + 1
        if found:
            partition.position, partition.source_at = found[-1].position, found[-1].source_at
        return found, taken

    def _whole(self, partition: Partition, values: Sequence[bytes], ranking: Ranking) -> Whole | None:
        """The usual case at once: every message is a row as it is now, of this table. None for any other."""
        events = self.followed.usual.read(values) if values and ranking.places_all else None
        all_placed = None if events is None else ranking.place_all(events.places, partition.last)
        if events is None or all_placed is None:
            return None
        placed, partition.last = all_placed
        tail = f"-{partition.number}"
        ids = pc.binary_join_element_wise(f"{self._head}:", *placed.identity, tail, pa.array(events.ops), "")
        return Whole(events.ops, events.columns, placed.positions, ids, events.times)

    def _one_by_one(
        self,
        partition: Partition,
        full: Sequence[Letter],
        envelopes: Sequence[Any],
        ranking: Ranking,
        taken: Taken,
    ) -> list[Change]:
        """Any messages; what cannot be a change is refused in `taken`."""
        found: list[Change] = []
        last, tail = partition.last, f"-{partition.number}"
        head, key = self._head, self._key
        place = ranking.place
        for number, (letter, envelope) in enumerate(zip(full, envelopes, strict=True)):
            try:
                if type(envelope) is not Envelope:
                    raise ValueError(str(envelope))
                source = envelope.source
                if source.table != self._name or (source.schema or source.db) != self._schema:
                    raise ValueError(f"the event is of {source.schema or source.db}.{source.table}")
                placed, after = place(source, last)
                op = envelope.op
                if op == "u" or op == "c" or op == "r":
                    row: Row | None = envelope.after
                elif op == "d":
                    row = _deleted(envelope.before, letter.key, key)
                else:
                    row = {}
                if row is None:
                    raise ValueError(f"an event {op} without its row")
            except (ValueError, TypeError, AttributeError, msgspec.MsgspecError) as error:
                taken.rejected.append(Rejected(letter, UNREADABLE, " ".join(str(error).split())[:500]))
                continue
            last = after
            if placed.is_seen:
                taken.seen += 1
                continue
            taken.events += 1
            at = source.ts_us if source.ts_us is not None else source.ts_ms * 1000
            if op == "u" and not key and envelope.before is not None:
                identity = f"{head}:{placed.identity}{tail}d"
                found.append(Change("d", envelope.before, placed.position, identity, at, number))
            found.append(Change(op, row, placed.position, f"{head}:{placed.identity}{tail}{op}", at, number))
        partition.last = last
        return found

    def rows(self, changes: Sequence[Change], letters: Sequence[Letter], taken: Taken) -> None:
        """Build the rows of changes into `taken`; `letters` are the ones they were made from."""
        kept: Sequence[Change] = changes
        if self.followed.refuses_strange:
            builder = self.followed.builder
            kept = [change for change in changes if change.op in "dt" or not builder.strangers([tuple(change.row)])]
            strange = {change.message for change in changes} - {change.message for change in kept}
            for number in sorted(strange):
                detail = "a column that the table's contract discards rows for"
                taken.rejected.append(Rejected(_full(letters)[number], CONTRACT, detail))
                taken.events -= 1
        table, refused = self.followed.builder.built(kept)
        bad = {one.change.message for one in refused}
        if bad and sum(change.message in bad for change in kept) > len(refused):  # of an update in two rows one is good
            table, _ = self.followed.builder.built([change for change in kept if change.message not in bad])
        for number in sorted(bad):
            first = next(one for one in refused if one.change.message == number)
            taken.rejected.append(Rejected(_full(letters)[number], first.reason, first.detail, first.change.event_id))
            taken.events -= 1
        taken.rows = table


def _values(letters: Sequence[Letter]) -> Sequence[bytes | None]:
    return letters.values if isinstance(letters, Letters) else [letter.value for letter in letters]


def _full(letters: Sequence[Letter]) -> list[Letter]:
    """Those that are no tombstones: changes are numbered by them."""
    return [letter for letter in letters if letter.value is not None]


def _deleted(before: Row | None, key: bytes | None, names: tuple[str, ...]) -> Row | None:
    """The key alone, where there is one: Debezium fills in values for other columns that must not be null."""
    if not names:
        return before
    if before is None or not all(name in before for name in names):
        found: Any = msgspec.json.decode(key) if key else None
        before = found if isinstance(found, dict) else None
    return None if before is None else {name: before[name] for name in names}
