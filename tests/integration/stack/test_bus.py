"""Kafka and Kafka Connect as parts of the stack: one needs the other, both listen on loopback and lose nothing."""

import os
import signal

import psutil
import requests
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ingestion.stack import Server, in_order
from tests.support.bus import TestBus


def process_of(server: Server) -> psutil.Process:
    found = server.status().pid
    assert found is not None
    return psutil.Process(found)


def make_topic(bus: TestBus, name: str) -> None:
    client = AdminClient({"bootstrap.servers": bus.bootstrap})
    client.create_topics([NewTopic(name, 1, 1)])[name].result(30)


def test_what_a_part_needs_is_started_before_it() -> None:
    assert in_order(["connect", "postgres"]) == ["kafka", "connect", "postgres"]


def test_both_listen_on_loopback_alone_and_never_as_root(bus: TestBus) -> None:
    for server in (bus.kafka, bus.connect):
        process = process_of(server)

        listening = {one.laddr.ip for one in process.net_connections() if one.status == psutil.CONN_LISTEN}

        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
        assert process.uids().real != 0


def test_connect_knows_the_connector_of_each_database(bus: TestBus) -> None:
    plugins = requests.get(f"{bus.connect_url}/connector-plugins", timeout=30).json()

    sources = {one["class"].rsplit(".", 1)[1]: one["version"] for one in plugins if one["type"] == "source"}
    names = ("PostgresConnector", "MariaDbConnector", "MySqlConnector", "OracleConnector")
    assert {name: sources.get(name) for name in names} == dict.fromkeys(names, "3.5.0.Final")


def test_a_killed_broker_comes_back_on_its_port_with_what_was_acknowledged(bus: TestBus) -> None:
    topic = bus.name("kept")
    make_topic(bus, topic)
    producer = Producer({"bootstrap.servers": bus.bootstrap, "acks": "all"})
    producer.produce(topic, b'{"number": 1}')
    assert producer.flush(30) == 0
    before, process = bus.bootstrap, process_of(bus.kafka)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert bus.kafka.status().state == "stopped"

    bus.kafka.up()

    assert bus.bootstrap == before
    assert bus.read(topic, lambda found: len(found) == 1) == [{"number": 1}]


def test_a_topic_is_never_made_by_writing_to_it(bus: TestBus) -> None:
    delivered: list[bool] = []
    producer = Producer({"bootstrap.servers": bus.bootstrap, "message.timeout.ms": 3000, "log_level": 0})

    producer.produce("nobody.made.this", b"{}", on_delivery=lambda error, _: delivered.append(error is None))
    producer.flush(30)

    assert delivered == [False]
    assert "nobody.made.this" not in bus.topics()
