"""How far raw is behind Kafka, for whoever is not a sink: from the topics' ends and the marks in the lake."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
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


@dataclass(frozen=True)
class Lag:
    """Of one partition: offsets that no sink has dealt with, and the one behind the last.

    Offsets are messages and the marks of transactions; where only marks are left nothing is behind. `lost` says why
    messages may be lost, if so: they are behind until somebody has seen to it.
    """

    topic: str
    partition: int
    behind: int
    end: int
    lost: str | None = None


class Behind:
    """Kafka and the lake of one source, looked at together; close it. Raises as `entered` does when Kafka is away."""

    def __init__(self, catalog: Catalog, source: DatabaseSource, cluster: KafkaCluster) -> None:
        self._catalog, self._source, self._cluster = catalog, source, cluster
        self._pattern = re.compile(re.escape(source.name) + r"\.[^.]+\..+")
        options = {"group.id": f"frazil-{source.name}", "enable.auto.commit": False, "log_level": 0}
        reading = {"isolation.level": "read_committed", "enable.partition.eof": True, "fetch.message.max.bytes": 65536}
        self._consumer = made(Consumer, {**cluster.client(), **options, **reading})

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
            ended = self._ended([one for one in found if one.behind and not one.lost])
            return [replace(one, behind=0) if (one.topic, one.partition) in ended else one for one in found]
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
                    f"ago; see that a sink runs: frazil cdc sink {self._source.name}{_lost(found)}"
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

    def _ended(self, behind: Sequence[Lag]) -> set[Place]:
        """Those of which there is nothing to read."""
        left = {(one.topic, one.partition) for one in behind}
        ended = set()
        self._consumer.assign([TopicPartition(one.topic, one.partition, one.end - one.behind) for one in behind])
        deadline = time.monotonic() + _SECONDS
        while left and time.monotonic() < deadline:
            for message in self._consumer.consume(100, timeout=0.2):
                place = (str(message.topic()), int(message.partition() or 0))
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF and place in left:
                    ended.add(place)
                left.discard(place)
        self._consumer.unassign()
        return ended

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


def _lost(found: Sequence[Lag]) -> str:
    return "".join(f"; {one.lost}" for one in found if one.lost)


def _missing(lag: Lag, wanted: int) -> int:
    return max(wanted - (lag.end - lag.behind), 0)
