"""The way through Kafka gives what the way through the journal gives; without Kafka, the journal is the way."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ingestion.errors import PermanentError
from ingestion.lake.append import MARK_PREFIX
from ingestion.lake.bus import bus_of
from ingestion.lake.catalog import open_catalog
from ingestion.lake.letters import headers_of
from ingestion.lake.sink import Sink, drain
from ingestion.lake.topics import TopicSink
from ingestion.settings import Settings
from ingestion.stack import Server as Part
from ingestion.webhooks.counters import Key
from ingestion.webhooks.journal import Delivery
from tests.integration.bus.working import fresh_topics, kill_broker, on_kafka
from tests.support.capturing import TOPIC
from tests.support.webhook_server import Server, running_server, secrets_for

_OF_THIS_RUN = ("_loaded_at", "_run_id", "_received_at", "received_at", "quarantine_id", "headers")


@pytest.fixture
def kafka_settings(home: Path, broker: Part, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings and environment of this process with the bus on Kafka."""
    for name, value in {**secrets_for(), "FRAZIL_KAFKA_BOOTSTRAP": broker.facts().address}.items():
        monkeypatch.setenv(name, value)
    fresh_topics(broker)
    return Settings(home=home, bus="kafka")


def _drained(settings: Settings, group: str = "frazil-bus", *, accepts_gaps: bool = False) -> dict[str, int]:
    """What one sink brings to raw from the topics, as rows by table."""
    kafka, topics = bus_of(settings)
    sink = Sink(settings)
    work = TopicSink(sink, kafka, topics, seconds=0.2, group=group, accepts_gaps=accepts_gaps)
    try:
        return work.run(lambda: False, once=True).tables
    finally:
        work.close()
        sink.close()


def _send_all(server: Server) -> None:
    for name, source in server.sources.items():
        answer = server.post(name, source.example.body_bytes, {**source.example.headers, "webhook-id": "m1"})
        assert answer.outcome in ("accepted", "quarantined"), (name, answer)
    order = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","note":"\xc3\xa9 \\u00e9","total_price":"1.10"}'
    assert server.post("shopify", order, {**TOPIC, "x-shopify-webhook-id": "w"}).outcome == "accepted"
    assert server.post("shopify", order, {**TOPIC, "x-shopify-webhook-id": "w"}).outcome == "repeated"
    assert server.post("shopify", b"[]", {**TOPIC, "x-shopify-webhook-id": "bad"}).outcome == "quarantined"


def _rows(settings: Settings) -> dict[str, list[Any]]:
    catalog = open_catalog(settings)
    found = {}
    for name in [*catalog.list_tables("raw"), ("metadata", "quarantine")]:
        rows = catalog.load_table(name).scan().to_arrow().drop_columns([])
        kept = [column for column in rows.column_names if column not in _OF_THIS_RUN]
        if rows.num_rows:
            found[".".join(name)] = sorted(map(repr, rows.select(kept).to_pylist()))
    catalog.close()
    return found


def _until_up(server: Server, *, up: bool = True) -> None:
    deadline = time.monotonic() + 60
    while server.all_counts().get(Key("frazil_bus_up", ("worker-0",)), 0) != int(up):
        assert time.monotonic() < deadline, (server.home / "server.log").read_text()
        time.sleep(0.05)


def _on_kafka(server: Server) -> int:
    return server.all_counts().get(Key("frazil_bus_deliveries_total", ("kafka",)), 0)


def test_both_ways_end_in_the_same_rows(kafka_settings: Settings, broker: Part, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "other")
    with running_server(kafka_settings.home_dir, **on_kafka(broker)) as server:
        _until_up(server)
        _send_all(server)
        assert server.deliveries() == []
    with running_server(other.home_dir) as server:
        _send_all(server)

    _drained(kafka_settings)
    drain(other)

    rows = _rows(kafka_settings)
    assert "raw.shopify_orders" in rows
    assert "metadata.quarantine" in rows
    assert rows == _rows(other)


def test_what_was_read_is_not_read_again_and_a_lost_group_does_no_harm(kafka_settings: Settings, broker: Part) -> None:
    with running_server(kafka_settings.home_dir, **on_kafka(broker)) as server:
        _until_up(server)
        _send_all(server)

    _drained(kafka_settings)
    rows = _rows(kafka_settings)
    again = _drained(kafka_settings)
    elsewhere = _drained(kafka_settings, group="another")

    assert again == elsewhere == {}
    assert _rows(kafka_settings) == rows


class Orders:
    """The topic of orders, of one partition, and who fills it."""

    name = "shopify.orders"

    def __init__(self) -> None:
        address = os.environ["FRAZIL_KAFKA_BOOTSTRAP"]
        self.admin = AdminClient({"bootstrap.servers": address})
        self._producer = Producer({"bootstrap.servers": address})
        self.make()

    def make(self) -> None:
        self.admin.create_topics([NewTopic(self.name, 1, 1)])[self.name].result()

    def make_anew(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result()
        while self.name in self.admin.list_topics(timeout=10).topics:
            time.sleep(0.1)
        time.sleep(0.5)
        self.make()

    def forget(self, before: int) -> None:
        place = TopicPartition(self.name, 0, before)
        self.admin.delete_records([place])[place].result()

    def put(self, *orders: int) -> None:
        for order in orders:
            body = b'{"id":%d,"updated_at":"2026-01-01T00:00:00Z"}' % order
            delivery = Delivery("shopify", b"%d" % order, 1_000_000, json.dumps(TOPIC).encode(), body, None)
            self._producer.produce(self.name, body, headers=headers_of(delivery))
        assert self._producer.flush(30) == 0


def test_messages_that_kafka_deleted_stop_the_sink_until_people_say_go_on(kafka_settings: Settings) -> None:
    orders = Orders()
    orders.put(*range(10))
    first = _drained(kafka_settings)
    orders.put(*range(10, 20))
    orders.forget(15)

    with pytest.raises(PermanentError, match=r"no longer has offset 10.*--accept-gaps"):
        _drained(kafka_settings)
    gone_on = _drained(kafka_settings, accepts_gaps=True)
    orders.put(20)
    after = _drained(kafka_settings)

    assert [found["raw.shopify_orders"] for found in (first, gone_on, after)] == [10, 5, 1]


def test_a_topic_that_lost_its_end_is_read_from_its_beginning_when_that_is_accepted(kafka_settings: Settings) -> None:
    """As when a broker comes back without what it had not written to its disk: new messages take those offsets."""
    orders = Orders()
    orders.put(*range(10))
    _drained(kafka_settings)
    catalog = open_catalog(kafka_settings)
    table = catalog.load_table("raw.shopify_orders")
    (mark,) = (name for name in table.properties if name.startswith(f"{MARK_PREFIX}kafka:"))
    table.transaction().set_properties({mark: "100"}).commit_transaction()
    catalog.close()

    with pytest.raises(PermanentError, match=r"no longer has offset 100.*--accept-gaps"):
        _drained(kafka_settings)
    gone_on = _drained(kafka_settings, accepts_gaps=True)

    assert gone_on["raw.shopify_orders"] == 10
    assert _drained(kafka_settings) == {}


def test_a_topic_made_anew_is_not_read_without_a_word(kafka_settings: Settings) -> None:
    orders = Orders()
    orders.put(*range(10))
    first = _drained(kafka_settings)
    orders.make_anew()
    orders.put(*range(10, 13))

    with pytest.raises(PermanentError, match=r"made anew.*--accept-gaps"):
        _drained(kafka_settings)
    gone_on = _drained(kafka_settings, accepts_gaps=True)
    orders.put(13)
    after = _drained(kafka_settings)

    assert [found["raw.shopify_orders"] for found in (first, gone_on, after)] == [10, 3, 1]


def test_what_was_deleted_before_the_first_read_is_told(kafka_settings: Settings) -> None:
    orders = Orders()
    orders.put(*range(10))
    orders.forget(10)

    with pytest.raises(PermanentError, match=r"first 10 messages deleted before raw had read any.*--accept-gaps"):
        _drained(kafka_settings)
    _drained(kafka_settings, accepts_gaps=True)

    assert _drained(kafka_settings) == {}


def test_without_kafka_the_journal_takes_over_until_it_is_back(kafka_settings: Settings, broker: Part) -> None:
    def send(number: int) -> str | None:
        body = b'{"id":%d,"updated_at":"2026-01-01T00:00:00Z"}' % number
        return server.post("shopify", body, {**TOPIC, "x-shopify-webhook-id": f"w{number}"}).outcome

    with running_server(kafka_settings.home_dir, **on_kafka(broker)) as server:
        _until_up(server)
        outcomes = [send(1)]
        kill_broker(broker)
        outcomes += [send(2), send(3)]
        _until_up(server, up=False)
        outcomes += [send(3)]
        in_journal = {delivery.body for delivery in server.deliveries()}
        broker.up()
        _until_up(server)
        outcomes += [send(2)]
        before, number = _on_kafka(server), 4
        while _on_kafka(server) == before:
            assert send(number) == "accepted"
            number += 1

    _drained(kafka_settings)
    drain(kafka_settings)

    assert outcomes == ["accepted", "accepted", "accepted", "repeated", "repeated"]
    assert len(in_journal) == 2
    catalog = open_catalog(kafka_settings)
    ids = catalog.load_table("raw.shopify_orders").scan().to_arrow()["id"].to_pylist()
    catalog.close()
    assert set(ids) == {str(one) for one in range(1, number)}
