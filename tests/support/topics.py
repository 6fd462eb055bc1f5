"""A topic of changes that a test writes itself, as Debezium would, and the sink that reads it."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyiceberg.catalog import Catalog

from ingestion.cdc.offsets import stored_offset
from ingestion.cdc.sink import Limits, Sink, Totals
from ingestion.errors import PermanentError
from tests.support.databases import TestPostgres
from tests.support.sources import source_of


class Broker(Protocol):
    """A Kafka for a test's topic: how clients enter it, and a source's name that no other test has."""

    @property
    def client(self) -> dict[str, str]: ...

    def name(self) -> str: ...


class Topic:
    """A topic of a table `items (id bigint primary key, note text)`, filled by the test instead of by Debezium."""

    def __init__(self, bus: Broker, postgres: TestPostgres, catalog: Catalog, partitions: int = 1) -> None:
        facts = postgres.database()
        with postgres.connect(facts.database) as connection:
            connection.execute(b"create table items (id bigint primary key, note text)")
        self.source = source_of(facts, "postgres", bus.name(), modes=("bulk", "cdc"))
        self.name = f"{self.source.name}.public.items"
        self.catalog, self.bus = catalog, bus
        self.admin = AdminClient({**bus.client})
        self.make(partitions)

    def make(self, partitions: int = 1) -> None:
        deadline = time.monotonic() + 30
        while self.name not in self.admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline
            self.admin.create_topics([NewTopic(self.name, partitions, 1)])
            time.sleep(0.3)

    def put(self, numbers: Sequence[int], partition: int = 0, *, is_transaction: bool = False) -> None:
        """A transaction has an end, which takes an offset behind its messages."""
        values = [event(number, self.source.name) for number in numbers]
        self.put_bytes(values, partition, is_transaction=is_transaction)

    def forget(self, before: int) -> None:
        """Let Kafka delete what is before this offset."""
        place = TopicPartition(self.name, 0, before)
        self.admin.delete_records([place])[place].result()

    def make_anew(self) -> None:
        """Delete the topic and make another one of its name."""
        self.admin.delete_topics([self.name])[self.name].result()
        time.sleep(0.5)
        self.make()

    def put_bytes(self, values: Sequence[bytes], partition: int = 0, *, is_transaction: bool = False) -> None:
        producer = Producer({**self.bus.client, **({"transactional.id": self.name} if is_transaction else {})})
        if is_transaction:
            producer.init_transactions(30)
            producer.begin_transaction()
        for value in values:
            producer.produce(self.name, value, key=b"{}", partition=partition)
        producer.flush(10)
        if is_transaction:
            producer.commit_transaction(30)

    def sink(self, limits: Limits | None = None, **more: Any) -> Sink:
        return Sink(self.catalog, self.source, self.bus.client, self.source.name, limits, **more)

    def drain(self, **more: Any) -> Totals:
        sink = self.sink(**more)
        try:
            return sink.run(lambda: False, once=True)
        finally:
            sink.close()

    def mark(self) -> int | None:
        """How far raw has the first partition."""
        table = self.catalog.load_table(f"raw.{self.source.name}_items")
        found = stored_offset(table.properties, self.name, 0)
        return found.next if found else None

    def ids(self) -> list[int]:
        table = self.catalog.load_table(f"raw.{self.source.name}_items")
        return sorted(table.scan().to_arrow()["id"].to_pylist())


class Worker(Protocol):
    """What reads topics until it is told to stop, as sinks of both kinds do."""

    def run(self, should_stop: Callable[[], bool]) -> object: ...

    def close(self) -> None: ...


@contextmanager
def at_work(sink: Worker) -> Iterator[None]:
    """The sink runs for as long as the block; its tables may have been stopped."""
    stop = threading.Event()

    def run() -> None:
        try:
            sink.run(stop.is_set)
        except PermanentError as error:
            logging.getLogger(__name__).info("ended", extra={"reason": str(error)})

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sink.close()


def until(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def event(number: int, source: str, at: int = 5) -> bytes:
    """A row that is new, committed `at` so many milliseconds since 1970, at the beginning of a log."""
    lsn = 1000 + 8 * number
    where = {"schema": "public", "table": "items", "lsn": lsn, "txId": 7, "sequence": f'["{lsn}","{lsn}"]', "ts_ms": at}
    return json.dumps({"op": "c", "before": None, "after": {"id": number, "note": source}, "source": where}).encode()
