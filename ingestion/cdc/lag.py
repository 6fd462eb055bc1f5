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
from ingestion.cdc.offsets import offsets_of
from ingestion.cdc.topics import unreachable
from ingestion.errors import RetryableError

Place = tuple[str, int]
_SECONDS = 10
_LOOK_EVERY = 1.0


@dataclass(frozen=True)
class Lag:
    """Of one partition: offsets that no sink has dealt with, and the one behind the last.

    Offsets are messages and the marks of transactions; where only marks are left nothing is behind.
    """

    topic: str
    partition: int
    behind: int
    end: int


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
        """Every partition of the source's topics, in their order."""
        try:
            _, known = entered(self._cluster.client(), _SECONDS)
            topics = sorted(topic for topic in known if self._pattern.fullmatch(topic))
            places = [(topic, number) for topic in topics for number in known[topic].partitions]
            done = self._done(places)
            found = [self._lag(place, done.get(place, 0)) for place in places]
            ended = self._ended([one for one in found if one.behind])
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
                    f"ago; see that a sink runs: frazil cdc sink {self._source.name}"
                )
            time.sleep(_LOOK_EVERY)

    def _lag(self, place: Place, done: int) -> Lag:
        low, end = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_SECONDS)
        if done > end:  # the topic was deleted and made anew: nothing of this one was read
            done = 0
        return Lag(*place, behind=max(end - max(done, low), 0), end=end)

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

    def _done(self, places: Sequence[Place]) -> dict[Place, int]:
        """By the marks of raw, or by the sink's word where it is ahead: messages without a row need no commit."""
        found: dict[Place, int] = {}
        prefix = f"{self._source.name}_"
        for _, name in self._catalog.list_tables("raw"):
            if name.startswith(prefix):
                for place, mark in offsets_of(self._catalog.load_table(f"raw.{name}").properties).items():
                    found[place] = max(mark.next, found.get(place, 0))
        said = self._consumer.committed([TopicPartition(*place) for place in places], timeout=_SECONDS)
        for one in said if places else ():
            found[one.topic, one.partition] = max(one.offset, found.get((one.topic, one.partition), 0))
        return found


def _missing(lag: Lag, wanted: int) -> int:
    return max(wanted - (lag.end - lag.behind), 0)
