"""Polling through Kafka: the same rows, once, whatever dies, with the state where the lake and the topic have it."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from ingestion.cdc.clusters import ConnectAddress, KafkaCluster
from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.sink import Sink
from ingestion.lake.topics import Topic, TopicSink
from ingestion.poll.poller import Poller
from ingestion.poll.tables import polled_tables
from ingestion.poll.topic import TopicBus
from ingestion.stack import Server
from tests.integration.bus.working import fresh_topics, kill_broker
from tests.integration.poll.lab import PollLab

_EVENTS = "create table events (id int primary key, at timestamp(6) not null, amount decimal(10,2))"
_ROW = "insert into events values ({0}, '2026-01-01 00:00:{0:02d}', {0}.5)"


class OnKafka:
    """A lab whose rows go through a topic."""

    def __init__(self, lab: PollLab, broker: Server) -> None:
        self.lab, self.broker = lab, broker
        lab.sql(_EVENTS)

    @property
    def topic(self) -> str:
        return f"{self.lab.name}.events_raw"

    def poller(self) -> Poller:
        (polled,) = polled_tables(self.lab.source)
        address = ConnectAddress(url="http://127.0.0.1:1", password=SecretStr(""))
        cluster = KafkaCluster(name="default", bootstrap=self.broker.facts().address, connect=address)
        bus = TopicBus(cluster, self.lab.catalog, polled.table.raw_name, polled.topic)
        found = Poller(self.lab.catalog, self.lab.source, polled, bus)
        found.follow(polled)
        return found

    def drain(self) -> None:
        sink = Sink(self.lab.settings)
        kafka = {"bootstrap.servers": self.broker.facts().address}
        topics = {self.topic: Topic.of_polled(self.lab.name, self.lab.raw_name)}
        work = TopicSink(sink, kafka, topics, seconds=0.1, group=f"group-{self.lab.name}")
        try:
            work.run(lambda: False, once=True)
        finally:
            work.close()
            sink.close()

    def insert(self, *numbers: int) -> None:
        self.lab.sql(*(_ROW.format(number) for number in numbers))

    def produce(self, *values: bytes) -> None:
        """As another program does that knows nothing of us."""
        producer = Producer({"bootstrap.servers": self.broker.facts().address})
        for value in values:
            producer.produce(self.topic, value)
        assert producer.flush(30) == 0


@pytest.fixture
def through(lab: PollLab, broker: Server) -> OnKafka:
    fresh_topics(broker)
    return OnKafka(lab, broker)


@pytest.fixture
def through_postgres(postgres_lab: PollLab, broker: Server) -> OnKafka:
    fresh_topics(broker)
    return OnKafka(postgres_lab, broker)


def test_rows_come_once_over_deaths_before_and_after_the_sink(through: OnKafka) -> None:
    steps: list[Callable[[], None]] = [lambda: None, through.drain, lambda: None, through.drain]
    for number, between in enumerate(steps):
        through.insert(2 * number)
        poller = through.poller()
        poller.poll()
        through.insert(2 * number + 1)
        poller.poll()
        poller.close()
        between()
    poller = through.poller()

    assert poller.poll().rows == 0

    poller.close()
    through.drain()
    through.lab.assert_each_once("id", "amount")


def test_an_older_poller_is_kept_out(through: OnKafka) -> None:
    older = through.poller()
    through.insert(1)
    older.poll()
    newer = through.poller()
    newer.poll()
    through.insert(2)

    with pytest.raises(PermanentError, match="another poller"):
        older.poll()
    newer.poll()

    older.close()
    newer.close()
    through.drain()
    through.lab.assert_each_once("id")


def test_after_the_brokers_death_polling_goes_on_where_it_was(through_postgres: OnKafka) -> None:
    poller = through_postgres.poller()
    through_postgres.insert(1)
    poller.poll()
    kill_broker(through_postgres.broker)
    through_postgres.insert(2)
    with pytest.raises(RetryableError):
        poller.poll()
    through_postgres.broker.up()
    through_postgres.insert(3)

    poller.poll()

    poller.close()
    through_postgres.drain()
    through_postgres.lab.assert_each_once("id")


def test_a_topic_that_was_deleted_costs_nothing(through_postgres: OnKafka) -> None:
    poller = through_postgres.poller()
    through_postgres.insert(1)
    poller.poll()
    through_postgres.drain()
    through_postgres.insert(2)
    poller.poll()
    poller.close()
    fresh_topics(through_postgres.broker)
    again = through_postgres.poller()

    again.poll()

    again.close()
    through_postgres.drain()
    through_postgres.lab.assert_each_once("id")


def test_messages_of_other_producers_are_rows_or_in_the_quarantine(through_postgres: OnKafka) -> None:
    through_postgres.poller().poll()
    through_postgres.produce(
        b'{"id": 7, "at": "2026-01-15T12:24:00Z", "amount": 220.0}', b"no json", b'{"id": "seven"}', b'{"id": null}'
    )

    through_postgres.drain()

    lab = through_postgres.lab
    assert {row["id"] for row in lab.rows()} == {7, None}
    found = lab.catalog.load_table("metadata.quarantine").scan().to_arrow().to_pylist()
    assert sorted((row["source"], row["reason"]) for row in found) == [(lab.name, "bad_value"), (lab.name, "not_json")]
