"""The session's real broker and Connect worker, and reading what is on a topic."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from ingestion.stack import Server
from tests.support.databases import server_in, temporary_state

_numbers = count(1)


@dataclass(frozen=True)
class TestBus:
    """Kafka and Connect; `kafka` and `connect` may be stopped, killed and started again by a test that ends with up."""

    __test__ = False
    kafka: Server
    connect: Server

    @property
    def bootstrap(self) -> str:
        return self.kafka.facts().address

    @property
    def client(self) -> dict[str, str]:
        """How librdkafka enters it."""
        return {"bootstrap.servers": self.bootstrap}

    @property
    def connect_url(self) -> str:
        return self.connect.facts().url

    def name(self, word: str = "source") -> str:
        """A source's name that no other test of the session has: prefix of its topics, name of its connector."""
        return f"{word}{next(_numbers)}"

    def topics(self, prefix: str = "") -> list[str]:
        """All topics whose names begin so."""
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return sorted(name for name in client.list_topics(timeout=10).topics if name.startswith(prefix))

    def read(self, topic: str, enough: Callable[[list[Any]], bool], seconds: float = 60) -> list[Any]:
        """Committed records of a topic from its beginning, values as JSON (None: tombstone), until there are enough."""
        return [value for _, value in self.pairs(topic, lambda pairs: enough([one[1] for one in pairs]), seconds)]

    def pairs(
        self, topic: str, enough: Callable[[list[tuple[Any, Any]]], bool], seconds: float = 60
    ) -> list[tuple[Any, Any]]:
        """As `read`, with the keys."""
        found: list[tuple[Any, Any]] = []
        deadline = time.monotonic() + seconds
        with self._consumer(topic, deadline) as consumer:
            while not enough(found):
                assert time.monotonic() < deadline, f"{topic}: not enough in {len(found)} records"
                for message in consumer.consume(1000, timeout=0.2):
                    assert message.error() is None, message.error()
                    found.append((_json(message.key()), _json(message.value())))
        return found

    @contextmanager
    def _consumer(self, topic: str, deadline: float) -> Iterator[Consumer]:
        options = {"bootstrap.servers": self.bootstrap, "group.id": "test", "enable.auto.commit": False}
        consumer = Consumer({**options, "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
        try:
            while topic not in (known := consumer.list_topics(timeout=10).topics):
                assert time.monotonic() < deadline, f"no topic {topic}, only {sorted(known)}"
                time.sleep(0.2)
            consumer.assign([TopicPartition(topic, number, 0) for number in known[topic].partitions])
            yield consumer
        finally:
            consumer.close()


def _json(value: Any) -> Any:
    return None if value is None else json.loads(value)


@contextmanager
def running_bus() -> Iterator[TestBus]:
    """Broker and worker with fresh data for as long as the block lasts."""
    with temporary_state() as state:
        bus = TestBus(server_in(state, "kafka"), server_in(state, "connect"))
        try:
            bus.connect.up()
            yield bus
        finally:
            bus.connect.remove()
            bus.kafka.remove()
