"""How far raw is behind Kafka, for whoever is not a sink: from the topics' ends and the marks in the lake."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pyiceberg.catalog import Catalog

from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.entering import entered, made
from ingestion.cdc.gaps import Ends, Gap, Place, ends_of, gap
from ingestion.cdc.offsets import Offset, offsets_of
from ingestion.cdc.topics import unreachable
from ingestion.errors import RetryableError

_SECONDS = 10
_LOOK_EVERY = 1.0
_OPEN_SECONDS = 120  # Kafka ends a producer's transaction after `transaction.timeout.ms`, of Connect's a minute
_HELD = "and nothing from there on can be read; if it stays so, see `A transaction` in docs/operate/connectors.md"


@dataclass(frozen=True)
class Lag:
    """Of one partition: offsets that no sink has dealt with, and the one behind the last.

    Offsets are messages and the marks of transactions; where only marks are left nothing is behind. `lost` says why
    messages may be lost, `held` that a transaction keeps them from everyone: they are behind until somebody has seen
    to it.
    """

    topic: str
    partition: int
    behind: int
    end: int
    lost: str | None = None
    held: str | None = None


class Behind:
    """Kafka and the lake of one source, looked at together; close it. Raises as `entered` does when Kafka is away."""

    def __init__(self, catalog: Catalog, source: DatabaseSource, cluster: KafkaCluster) -> None:
        self._catalog, self._source, self._cluster = catalog, source, cluster
        self._pattern = re.compile(re.escape(source.name) + r"\.[^.]+\..+")
        options = {"group.id": f"frazil-{source.name}", "enable.auto.commit": False, "log_level": 0}
        reading = {"enable.partition.eof": True, "fetch.message.max.bytes": 65536}
        self._reading = {**cluster.client(), **options, **reading}
        self._consumer = made(Consumer, {**self._reading, "isolation.level": "read_committed"})

    def close(self) -> None:
        self._consumer.close()

    def look(self) -> list[Lag]:
        """Every partition of the source's topics, in their order.

        Raises RetryableError before there are any, and when Kafka does not tell of one.
        """
        try:
            client, known = entered(self._cluster.client(), _SECONDS)
            topics = sorted(topic for topic in known if self._pattern.fullmatch(topic))
            if not topics and f"__debezium-heartbeat.{self._source.name}" not in known:
                raise RetryableError(
                    f"{self._source.name}: Kafka at {self._cluster.bootstrap} has no topic of it yet; "
                    f"run `frazil cdc register {self._source.name}`"
                )
            places = [(topic, number) for topic in topics for number in known[topic].partitions]
            answers, marks = ends_of(client, self._cluster.bootstrap, places), self._marks()
            if answers.silent:
                raise RetryableError(answers.words(self._cluster.bootstrap))
            ends = answers.ends
            said = self._said(places)
            found = [
                self._lag(place, ends[place], marks.get(place), said.get(place)) for place in places if place in ends
            ]
            return self._without_marks(found)
        except KafkaException as error:
            raise unreachable(self._cluster, error) from error

    def wait(self, seconds: float, told: Callable[[int], None] = lambda behind: None) -> list[Lag]:
        """Until raw has all that is on the topics now, whatever comes meanwhile; `told` hears how much is missing.

        Raises RetryableError when that takes longer than `seconds`.
        """
        wanted = {(one.topic, one.partition): one.end for one in self.look()}
        deadline, last = time.monotonic() + seconds, 0
        while True:
            found = self.look()
            missing = sum(_missing(one, wanted.get((one.topic, one.partition), 0)) for one in found)
            if not missing:
                return found
            if missing != last:
                told(missing)
            last = missing
            if time.monotonic() >= deadline:
                raise RetryableError(
                    f"{self._source.name}: raw is {missing} messages behind what was on Kafka {seconds:.0f} seconds "
                    f"ago; see that a sink runs: frazil cdc sink {self._source.name}{_why(found)}"
                )
            time.sleep(_LOOK_EVERY)

    def _lag(self, place: Place, ends: Ends, mark: Offset | None, said: int | None) -> Lag:
        """By raw's mark, or by the sink's word where it is ahead: messages without a row need no commit. The broker
        forgets that word with the topic that it was about."""
        found = gap(mark.next if mark else said, mark.topic_id if mark else "", ends)
        reached = mark.next if mark else 0
        if found is None:
            return Lag(*place, behind=max(ends.end - max(reached, said or 0), 0), end=ends.end)
        done = 0 if found is Gap.ANEW else min(reached, ends.first)
        words = found.words(self._cluster.bootstrap, place, reached, ends)
        return Lag(*place, behind=max(ends.end - done, 1), end=ends.end, lost=words)

    def _without_marks(self, found: Sequence[Lag]) -> list[Lag]:
        """Nothing is behind where there is nothing to read, unless a transaction is held open there for too long."""
        behind = {(one.topic, one.partition): one.end - one.behind for one in found if one.behind and not one.lost}
        ended = {
            place: int(message.offset() or 0)
            for place, message in self._next(self._consumer, behind).items()
            if (error := message.error()) is not None and error.code() == KafkaError._PARTITION_EOF
        }
        stops = {(one.topic, one.partition): one.end for one in found}
        held = self._held({place: offset for place, offset in ended.items() if offset < stops[place]})
        return [
            replace(one, held=held[place]) if place in held else replace(one, behind=0) if place in ended else one
            for one in found
            for place in [(one.topic, one.partition)]
        ]

    def _held(self, open_at: Mapping[Place, int]) -> dict[Place, str]:
        """Those at which a transaction has been open for longer than one of a connector may last."""
        if not open_at:
            return {}
        consumer = made(Consumer, {**self._reading, "isolation.level": "read_uncommitted"})
        try:
            first = self._next(consumer, open_at)
        finally:
            consumer.close()
        ages = {place: time.time() - one.timestamp()[1] / 1000 for place, one in first.items() if one.error() is None}
        words = "Kafka at {}: a transaction has been open at offset {} of {}/{} for {:.0f} seconds, {}"
        return {
            place: words.format(self._cluster.bootstrap, open_at[place], *place, age, _HELD)
            for place, age in ages.items()
            if age > _OPEN_SECONDS
        }

    def _next(self, consumer: Consumer, places: Mapping[Place, int]) -> dict[Place, Message]:
        """What comes first from an offset on: a message, or the event that none does."""
        found: dict[Place, Message] = {}
        consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
        deadline = time.monotonic() + _SECONDS
        while len(found) < len(places) and time.monotonic() < deadline:
            for message in consumer.consume(100, timeout=0.2):
                found.setdefault((str(message.topic()), int(message.partition() or 0)), message)
        consumer.unassign()
        return found

    def _marks(self) -> dict[Place, Offset]:
        found: dict[Place, Offset] = {}
        prefix = f"{self._source.name}_"
        for _, name in self._catalog.list_tables("raw"):
            if name.startswith(prefix):
                found |= offsets_of(self._catalog.load_table(f"raw.{name}").properties)
        return found

    def _said(self, places: Sequence[Place]) -> dict[Place, int]:
        parts = [TopicPartition(*place) for place in places]
        said = self._consumer.committed(parts, timeout=_SECONDS) if parts else []
        return {(one.topic, one.partition): one.offset for one in said if one.offset >= 0}


def _why(found: Sequence[Lag]) -> str:
    return "".join(f"; {why}" for one in found if (why := one.lost or one.held))


def _missing(lag: Lag, wanted: int) -> int:
    return max(wanted - (lag.end - lag.behind), 0)
