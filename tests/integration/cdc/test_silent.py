"""A partition of which Kafka tells nothing: a second broker holds it alone, and dies."""

import logging
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from pyiceberg.catalog import Catalog

from ingestion.cdc.gaps import ends_of
from ingestion.cdc.sink import Limits
from ingestion.errors import RetryableError
from ingestion.lake.bus import bus_of
from ingestion.lake.sink import Sink
from ingestion.lake.topics import TopicSink
from ingestion.settings import Settings
from ingestion.stack import Server
from ingestion.stack.artifacts import ensure_programs
from ingestion.stack.jvm import free_port, java_command, properties
from ingestion.stack.part import HOST, Site
from tests.support.databases import TestPostgres, running
from tests.support.topics import Topic, at_work, until
from tests.support.webhook_server import secrets_for


@dataclass
class SecondBroker:
    """Of `first`'s cluster, with the number 2; `kill` leaves its data for the next `start`."""

    first: Server
    folder: Path
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def client(self) -> dict[str, str]:
        return {"bootstrap.servers": self.first.facts().address}

    def name(self) -> str:
        return f"silent{next(self._numbers)}"

    def start(self) -> None:
        """Unless it runs."""
        if self._process is not None:
            return
        programs = ensure_programs(self.first.part, self.first.places, print)
        site, file = Site(programs, self.first.folder / "data", 0, ""), self.folder / "server.properties"
        if not file.exists():
            file.write_text(properties(self._settings(site)), encoding="utf-8")
            cluster = _values(site.data / "log" / "meta.properties")["cluster.id"]
            words = ("format", "-t", cluster, "-c", str(file))
            subprocess.run(java_command(site, "kafka.tools.StorageTool", *words), check=True, cwd=self.folder)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                java_command(site, "kafka.Kafka", str(file), heap="256m"), cwd=self.folder, stdout=log, stderr=log
            )
        until(lambda: self.brokers() == 2, "the second broker should join")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def brokers(self) -> int:
        """How many there are in the first one's eyes: a dead one is, for some seconds."""
        with suppress(KafkaException):
            return len(AdminClient({**self.client, "log_level": 0}).list_topics(timeout=5).brokers)
        return 0

    def _settings(self, site: Site) -> dict[str, str]:
        found = _values(site.data / "server.properties")
        place = f"PLAINTEXT://{HOST}:{free_port()}"
        more = {"process.roles": "broker", "node.id": "2", "listeners": place, "advertised.listeners": place}
        return found | more


def _values(path: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if "=" in line]
    return {name: value for name, _, value in lines}


def _said(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return any(words in getattr(record, "reason", "") for record in caplog.records)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondBroker]:
    """The groups' own topic is made while there is one broker, so that the second one holds none of it."""
    with running("kafka") as first:
        second = SecondBroker(first, tmp_path_factory.mktemp("second"))
        admin = AdminClient({**second.client})
        admin.describe_consumer_groups(["any"])
        until(lambda: "__consumer_offsets" in admin.list_topics(timeout=10).topics, "groups should have their topic")
        yield second
        second.kill()


def test_the_others_go_on_and_the_silent_one_is_told_and_tried_again(
    cluster: SecondBroker, postgres: TestPostgres, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    items = Topic(cluster, postgres, catalog)
    items.put([0])
    items.drain()
    cluster.start()
    items.admin.create_partitions([NewPartitions(items.name, 2, [[2]])])[items.name].result()
    until(lambda: len(items.admin.list_topics(items.name).topics[items.name].partitions) == 2, "it should be there")
    items.put([100], partition=1)
    items.drain()
    cluster.kill()

    sink = items.sink(Limits(seconds=0.2))
    with caplog.at_level(logging.WARNING), at_work(sink):
        items.put([1])
        until(lambda: sink.stopped or items.ids() == [0, 1, 100], "what can be read should be")
        assert not sink.stopped
        until(lambda: _said(caplog, f"tells nothing of {items.name}/1"), "the silent one should be told")
        items.put([2])
        until(lambda: items.ids() == [0, 1, 2, 100], "it should go on")
        with pytest.raises(RetryableError, match=f"tells nothing of {items.name}/1"):
            items.drain(group=f"{items.source.name}-other")
        cluster.start()
        items.put([101], partition=1)
        until(lambda: items.ids() == [0, 1, 2, 100, 101], "it should be tried again")


def _is_told_to_ask_the_dead_one(client: AdminClient, cluster: SecondBroker) -> bool:
    while cluster.brokers() == 2:
        with suppress(KafkaException):  # it asked the dead one
            if client.list_topics(timeout=1).controller_id == 2:
                return True
    return False


def test_a_client_that_was_told_to_ask_the_dead_broker_asks_another(cluster: SecondBroker) -> None:
    """Any broker may tell of topics; Kafka tells each client which one to ask, and the client keeps to it."""
    cluster.start()
    topic, client = cluster.name(), AdminClient({**cluster.client, "log_level": 0})
    client.create_topics([NewTopic(topic, 1, replica_assignment=[[1]])])[topic].result()
    until(lambda: topic in client.list_topics(timeout=10).topics, "it should be there")
    cluster.kill()
    while not _is_told_to_ask_the_dead_one(
        client, cluster
    ):  # whom to ask is drawn by lot, as long as both count as alive
        cluster.start()
        cluster.kill()
    until(lambda: cluster.brokers() == 1, "the other clients should be told to ask the first one")

    answers = ends_of(client, cluster.client["bootstrap.servers"], [(topic, 0)])

    assert not answers.silent
    assert answers.ends[(topic, 0)].end == 0


def test_the_bus_goes_on_beside_a_silent_partition(
    cluster: SecondBroker, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {**secrets_for(), "FRAZIL_KAFKA_BOOTSTRAP": cluster.client["bootstrap.servers"]}.items():
        monkeypatch.setenv(name, value)
    settings, topic = Settings(home=home, bus="kafka"), "shopify.orders"
    kafka, topics = bus_of(settings)
    cluster.start()
    admin, producer = AdminClient({**cluster.client}), Producer({**cluster.client})
    admin.create_topics([NewTopic(topic, 2, replica_assignment=[[1], [2]])])[topic].result()
    until(lambda: len(admin.list_topics(topic).topics[topic].partitions) == 2, "it should be there")

    def sent(partition: int, body: bytes) -> None:
        producer.produce(topic, body, partition=partition)
        assert producer.flush(30) == 0

    for partition in range(2):
        sent(partition, b"no event %d" % partition)
    cluster.kill()
    sink = Sink(settings)
    work = TopicSink(sink, kafka, topics, seconds=0.2)
    with caplog.at_level(logging.WARNING), at_work(work):
        until(lambda: work.total.entries == 1, "what can be read should be")
        until(lambda: _said(caplog, f"tells nothing of {topic}/1"), "the silent one should be told")
        sent(0, b"no event 2")
        until(lambda: work.total.entries == 2, "it should go on")
        cluster.start()
        until(lambda: work.total.entries == 3, "it should be tried again")
    sink.close()
