"""The sink's other input: topics of webhooks and polled rows, each message once, whatever dies when.

A partition is read like a journal: how far is in the same commit as its rows. Each topic has a home, the raw table of
its object, which is committed last; what its mark covers is in every table. Kafka's own offsets are told to the broker
for people to see and never read.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import Message
from pyiceberg.exceptions import NoSuchTableError
from sqlalchemy.exc import SQLAlchemyError

from ingestion.cdc.gaps import Ends, Gap, GapError, Place, gap, pause_after
from ingestion.cdc.kafka import MARKS_SECONDS, Stream
from ingestion.errors import RetryableError
from ingestion.lake.append import MarkMovedError
from ingestion.lake.batch import Batch, Counts
from ingestion.lake.letters import delivery_of
from ingestion.lake.metrics import BUS_FAILURES, BUS_FENCED, BUS_LAG
from ingestion.lake.sink import Sink
from ingestion.poll.poller import POLL, Note
from ingestion.webhooks.journal import Entry

log = logging.getLogger(__name__)
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Topic:
    """Where its marks are, and the source and headers of messages that do not say them. `is_sent_again`: who fills it
    begins where the lake is when it finds it made anew."""

    home: str
    source: str
    headers: bytes = b"{}"
    is_sent_again: bool = False

    @classmethod
    def of_polled(cls, source: str, raw_name: str) -> "Topic":
        note = Note(raw_name.removeprefix("raw."), "", "")
        return cls(raw_name, f"{POLL}/{source}", msgspec.json.encode(note), is_sent_again=True)


@dataclass(eq=False)
class Part:
    """A partition that this process has. Offset n is entry n + 1, so that 0 is before all.

    `id` is that of its marks: a topic that was made anew has others. `is_lost`: lake and Kafka must be asked where it
    goes on. `is_adrift`: the consumer is not there yet. `idle_since` by the monotonic clock: nothing came, 0 if it did.
    """

    place: Place
    id: str = ""
    position: int = 0
    read: int = 0
    is_lost: bool = True
    is_adrift: bool = False
    idle_since: float = 0.0
    held: list[Entry] = field(default_factory=list)


class TopicSink:
    """One process of the group that brings topics to raw, through the tables of `sink`; for one thread."""

    def __init__(
        self,
        sink: Sink,
        kafka: Mapping[str, str],
        topics: Mapping[str, Topic],
        *,
        seconds: float = 1.0,
        events: int = 20_000,
        group: str = "frazil-bus",
        accepts_gaps: bool = False,
    ) -> None:
        self.total = Counts()
        self._sink, self._topics, self._seconds, self._events = sink, topics, seconds, events
        self._parts: dict[Place, Part] = {}
        self._held = 0
        self._flush_at = 0.0
        self._accepts_gaps = accepts_gaps
        self._trouble: RetryableError | None = None
        self._again_at = 0.0
        pattern = "^(" + "|".join(name.replace(".", r"\.") for name in sorted(topics)) + ")$"
        self._stream = Stream(kafka, group, pattern, self._given, self._taken)

    def run(self, should_stop: Callable[[], bool], *, once: bool = False, wait_seconds: float = 30.0) -> Counts:
        """Until told to stop; with `once` until all that could be read at one moment is in raw.

        With `once`, raises RetryableError when Kafka or the lake does not answer; else that is logged and tried again.
        Raises PermanentError for messages that Kafka has no longer, unless gaps are accepted.
        """
        if once and not set(self._stream.topics(wait_seconds)) & self._topics.keys():
            return self.total
        deadline = time.monotonic() + wait_seconds
        while not should_stop():
            try:
                self._turn()
                self._reach_ends()
                if once and self._is_read() and self._flush():
                    self._reach_ends(is_last=True)
                    return self.total
            except RetryableError as error:
                if once and time.monotonic() > deadline:
                    raise
                log.warning("turn_failed", extra={"reason": str(error), "next": "tried again"})
                time.sleep(1.0)
            if once and self._trouble is not None and time.monotonic() > deadline:
                raise self._trouble
            if once and not self._stream.is_assigned and time.monotonic() > deadline:
                raise RetryableError("the group gave no partition: another sink has them all")
        self._flush()
        return self.total

    def close(self) -> None:
        """Leave the group; what was not flushed is read again by whoever comes next."""
        self._parts.clear()
        self._stream.close()

    def _is_read(self) -> bool:
        """Whether all partitions were read to their ends."""
        there = not any(part.is_lost or part.is_adrift for part in self._parts.values())
        return self._stream.is_assigned and there and self._parts.keys() <= self._stream.ended.keys()

    def _turn(self) -> None:
        self._settle()
        for message in self._stream.read(min(_AT_ONCE, self._events), 0.1):
            self._hold(message)
        self._flush_at = self._flush_at or time.monotonic() + self._seconds
        if self._held >= self._events or time.monotonic() >= self._flush_at or self._stream.lost:
            self._flush()
            self._flush_at = 0.0
        self._again([part for place, part in self._parts.items() if place in self._stream.lost])
        self._stream.lost.clear()

    def _settle(self) -> None:
        """Bring partitions that are new or were given up to their place, as far as broker and consumer let us now.

        One of which the broker tells nothing is asked for again; the others go on. Raises RetryableError when the lake
        does not answer, PermanentError for messages that Kafka has no longer.
        """
        lost = [part for part in self._parts.values() if part.is_lost]
        if not lost:
            self._trouble = None
        elif time.monotonic() >= self._again_at:
            ends = self._ends(lost)
            for part in lost:
                if part.place in ends:  # else it is silent, or deleted and about to be taken from us
                    self._begin(part, ends[part.place])
                    part.is_lost, part.is_adrift = False, True
        for part in self._parts.values():
            if part.is_adrift:
                part.is_adrift = not self._stream.seek(part.place, part.position)

    def _ends(self, lost: Sequence[Part]) -> Mapping[Place, Ends]:
        """Of those that the broker tells of; `_trouble` says why not of all."""
        began, self._trouble = time.monotonic(), None
        ends: Mapping[Place, Ends] = {}
        try:
            ends, silent = answers = self._stream.ends([part.place for part in lost])
            if silent:
                self._trouble = RetryableError(answers.words(self._stream.servers))
        except RetryableError as error:
            self._trouble = error
        if self._trouble is not None:
            log.warning("places_not_known", extra={"reason": str(self._trouble), "next": "asked again"})
            now = time.monotonic()
            self._again_at = now + pause_after(now - began, others_wait=len(lost) < len(self._parts))
        return ends

    def _begin(self, part: Part, ends: Ends) -> None:
        topic, number = part.place
        known = f"kafka:{topic}/{number}:"
        part.id = known + ends.topic_id
        marks = self._marks(part.place)
        mark = marks.get(part.id)
        others = [name for name in marks if name.startswith(known)]
        found = gap(mark, ends.topic_id, ends) if mark is not None or not others else Gap.ANEW
        is_harmless = found is Gap.ANEW and self._topics[topic].is_sent_again
        if found is not None and not is_harmless and not self._accepts_gaps:
            words = found.words(self._stream.servers, part.place, mark, ends)
            raise GapError(f"{words}; see its retention, then run `frazil sink run --accept-gaps` once to go on")
        part.position = part.read = ends.first if found is not None else mark or 0
        if found is not None:
            log.warning("gap_accepted", extra={"topic": topic, "partition": number, "next_offset": ends.first})
            self._accept(part)

    def _accept(self, part: Part) -> None:
        """Note in the lake that it goes on here, before anything is read from there."""
        home = self._topics[part.place[0]].home
        if self._sink.table(home) is not None:
            self._sink.begin_at(part.id, part.position, home)

    def _hold(self, message: Message) -> None:
        part = self._parts.get((str(message.topic()), message.partition() or 0))
        seq = (message.offset() or 0) + 1
        if part is None or part.is_lost or part.is_adrift or seq <= part.read:
            return
        topic = self._topics[part.place[0]]
        part.held.append(Entry(seq, delivery_of(message, topic.source, topic.headers)))
        part.read, part.idle_since = seq, 0.0
        self._held += 1

    def _reach_ends(self, *, is_last: bool = False) -> None:
        """Behind the last message are ends of transactions, which no consumer is given. After a while they count as
        read: when Kafka has deleted what is before them, a mark below them would look like a loss."""
        for place, end in self._stream.ended.items():
            part = self._parts.get(place)
            if part is None or part.is_lost or part.is_adrift or part.held or end <= part.position:
                continue
            part.idle_since = part.idle_since or time.monotonic()
            home = self._sink.table(self._topics[place[0]].home)
            if home is not None and (is_last or time.monotonic() - part.idle_since > MARKS_SECONDS):
                home.append(None, self._sink.run_id, {part.id: end})
                part.position, part.read, part.idle_since = end, end, 0.0

    def _flush(self) -> bool:
        """Commit what is held, topic by topic; whether nothing of it must be read again."""
        done = True
        for topic in sorted({place[0] for place, part in self._parts.items() if part.held}):
            parts = [part for place, part in self._parts.items() if place[0] == topic and part.held]
            try:
                self._flush_topic(topic, parts)
            except MarkMovedError as error:
                BUS_FENCED.labels(topic).inc()
                log.warning("fenced", extra={"topic": topic, "reason": str(error), "next": "read again from the mark"})
                done = self._again(parts)
            except (RetryableError, OSError, SQLAlchemyError) as error:
                BUS_FAILURES.labels(topic).inc()
                log.warning("flush_failed", extra={"topic": topic, "reason": str(error), "next": "read again"})
                done = self._again(parts)
                time.sleep(0.5)
        self._held = sum(len(part.held) for part in self._parts.values())
        for place, part in self._parts.items():
            BUS_LAG.labels(place[0], str(place[1])).set(max(self._stream.known_end(place) - part.position, 0))
        return done

    def _flush_topic(self, topic: str, parts: Sequence[Part]) -> None:
        home = self._topics[topic].home
        batch: Batch[Part] = self._sink.new_batch()
        for part in parts:
            batch.take(part, part.held)
        batch.finish()
        for table in [*sorted(batch.rows.keys() - {home}), home]:
            if self._sink.table(table) is not None:
                self._sink.commit(table, batch, is_fenced=True)
        self.total.add(batch.counts)
        for part in parts:
            part.held.clear()
        self._stream.tell({part.place: part.position for part in parts})

    def _again(self, parts: Sequence[Part]) -> bool:
        """Forget what was read since the lake's marks. Always False."""
        for part in parts:
            part.held.clear()
            self._stream.ended.pop(part.place, None)
            part.is_lost = True
        return False

    def _marks(self, place: Place) -> dict[str, int]:
        """How far the lake has this partition's topic and those of the same name before it, by id, asked anew.

        Raises RetryableError when it does not answer.
        """
        try:
            home = self._sink.table(self._topics[place[0]].home)
            if home is None:
                return {}
            home.table.refresh()
        except NoSuchTableError:
            return {}
        except (SQLAlchemyError, OSError) as error:
            raise RetryableError(f"the lake does not answer ({' '.join(str(error).split())[:200]})") from error
        return home.marks()

    def _given(self, places: Sequence[Place]) -> None:
        """These partitions are ours now."""
        self._parts.update({place: Part(place) for place in places})
        self._again_at = 0.0

    def _taken(self, places: Sequence[Place], are_lost: bool) -> None:
        """Others get these partitions: what is held is committed first, while they are still ours."""
        try:
            if not are_lost:
                self._flush()
        finally:
            for place in places:
                self._parts.pop(place, None)
