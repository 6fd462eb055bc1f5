"""Kafka Connect's REST interface by a real worker: every call, and what goes wrong."""

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from confluent_kafka import Producer

from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.clusters import ConnectAddress, KafkaCluster
from ingestion.cdc.connect import (
    ConnectClient,
    ConnectRefusedError,
    ConnectUnreachableError,
    NoConnectorError,
    SourceOffset,
    cause,
)
from ingestion.cdc.connector_config import connector_config
from ingestion.errors import UsageError
from ingestion.stack.jvm import free_port
from tests.support.bus import TestBus


@pytest.fixture
def client(bus: TestBus) -> Iterator[ConnectClient]:
    found = ConnectClient(ConnectAddress(url=bus.connect_url), patience=60)
    yield found
    found.close()


def test_the_life_of_a_connector(client: ConnectClient, config: dict[str, str], bus: TestBus) -> None:
    name = config["name"]
    assert client.validate(config) == []

    client.create(name, config)
    stopped = client.wait(name, "STOPPED")
    assert (stopped.state, stopped.tasks, client.offsets(name)) == ("STOPPED", (), [])

    begin = SourceOffset({"server": name}, {"lsn": 24})
    client.set_offsets(name, [begin])
    assert client.offsets(name) == [begin]
    client.reset_offsets(name)
    assert client.offsets(name) == []

    client.resume(name)
    assert client.wait(name, "RUNNING").is_running
    client.pause(name)
    assert client.wait(name, "PAUSED").state == "PAUSED"
    client.resume(name)
    assert client.wait(name, "RUNNING").is_running
    client.restart(name)
    assert client.wait(name, "RUNNING").is_running
    client.update(name, {**config, "poll.interval.ms": "100"})
    assert client.config(name)["poll.interval.ms"] == "100"
    assert client.topics(name) == []
    client.reset_topics(name)

    assert name in client.names()
    client.stop(name)
    client.wait(name, "STOPPED")
    client.delete(name)
    assert name not in client.names()
    with pytest.raises(NoConnectorError, match=f"frazil cdc register {name}"):
        client.config(name)


def test_a_connector_of_which_nothing_is_told_yet_is_unassigned_and_not_unknown(
    client: ConnectClient, config: dict[str, str], bus: TestBus
) -> None:
    name = config["name"]
    client.create(name, config)
    client.wait(name, "STOPPED")
    producer = Producer(bus.client)
    producer.produce("connect.status", key=f"status-connector-{name}", value=None)  # as before its first status
    producer.flush(10)

    deadline = time.monotonic() + 10
    while (found := client.status(name)).state == "STOPPED":
        assert time.monotonic() < deadline, "the worker still tells the old status"
        time.sleep(0.1)

    assert (found.state, found.tasks, found.failure, found.is_running) == ("UNASSIGNED", (), "", False)
    client.delete(name)
    with pytest.raises(NoConnectorError, match=f"frazil cdc register {name}"):
        client.status(name)


def test_a_name_that_is_taken_is_refused_and_not_taken_for_a_rebalance(
    client: ConnectClient, config: dict[str, str]
) -> None:
    client.create(config["name"], config)

    started = time.monotonic()
    with pytest.raises(ConnectRefusedError, match="already exists"):
        client.create(config["name"], config)

    assert time.monotonic() - started < 30
    client.delete(config["name"])


def test_a_wrong_password_is_found_by_validation(client: ConnectClient, config: dict[str, str]) -> None:
    problems = client.validate({**config, "database.password": "wrong"})

    assert problems
    assert any("password authentication failed" in one.message or "connect" in one.message for one in problems)


def test_a_connector_that_cannot_be_made_is_the_configurations_fault(
    client: ConnectClient, config: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="refuses the configuration"):
        client.create(config["name"], {**config, "database.port": str(free_port())})

    assert config["name"] not in client.names()


def test_an_unknown_plugin_is_the_configurations_fault(client: ConnectClient, config: dict[str, str]) -> None:
    wrong = {**config, "connector.class": "io.debezium.NoSuchConnector"}

    with pytest.raises((UsageError, ConnectRefusedError), match="NoSuchConnector"):
        client.validate(wrong)
    with pytest.raises(UsageError, match="NoSuchConnector"):
        client.create(config["name"], wrong)


@pytest.fixture
def oracle(bus: TestBus) -> dict[str, str]:
    """What `register` would make for an Oracle that nobody listens for."""
    block = {"name": "ora", "dialect": "oracle", "port": free_port(), "database": "ORCL", "user": "reader"}
    source = DatabaseSource.model_validate({**block, "password": "secret", "modes": ["bulk", "cdc"]})
    address = {"name": "default", "bootstrap": bus.bootstrap, "connect": {"url": bus.connect_url}}
    return connector_config(source, [], KafkaCluster.model_validate(address))


def test_oracles_configuration_is_checked_without_a_server(client: ConnectClient, oracle: dict[str, str]) -> None:
    made = client.validate(oracle)
    broken = client.validate({**oracle, "database.port": "many", "database.user": "", "snapshot.mode": "guess"})

    assert [one.option for one in made] == ["database.hostname"]  # nobody listens there
    assert {"database.port", "database.user", "snapshot.mode"} <= {one.option for one in broken}
    # Its tasks refuse this pair (OracleConnectorConfig.validateLogMiningStrategy), which validation here passes over.
    assert (oracle["lob.enabled"], oracle["log.mining.strategy"]) == ("true", "redo_log_catalog")


def test_an_oracle_that_is_away_is_the_configurations_fault_too(client: ConnectClient, oracle: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="refuses the configuration"):  # Connect answers 500
        client.create("ora", oracle)


def test_offsets_of_a_running_connector_are_not_changed(client: ConnectClient, config: dict[str, str]) -> None:
    name = config["name"]
    client.create(name, config, "RUNNING")
    client.wait(name, "RUNNING")

    with pytest.raises(UsageError, match=r"STOPPED|stopped"):
        client.set_offsets(name, [SourceOffset({"server": name}, {"lsn": 24})])

    client.delete(name)


def test_a_worker_that_does_not_answer_may_be_tried_again() -> None:
    away = ConnectClient(ConnectAddress(url=f"http://127.0.0.1:{free_port()}"), patience=0.5)

    with pytest.raises(ConnectUnreachableError, match="frazil stack status connect") as caught:
        away.names()

    assert caught.value.exit_code == 75
    assert "\n" not in str(caught.value)


def test_calls_wait_for_a_killed_worker_and_its_connectors_go_on(
    client: ConnectClient, config: dict[str, str], bus: TestBus
) -> None:
    name = config["name"]
    client.create(name, config | {"slot.drop.on.stop": "false"}, "RUNNING")
    client.wait(name, "RUNNING")
    pid = bus.connect.status().pid
    assert pid is not None
    worker = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    worker.wait(10)

    bus.connect.up()
    state = client.status(name).state  # its first answers are those of a worker without connectors
    names = client.names()
    found = client.wait(name, "RUNNING", 120)

    assert state != "FAILED"
    assert name in names
    assert found.is_running
    client.stop(name)
    client.wait(name, "STOPPED")
    client.delete(name)


def test_the_innermost_cause_is_told() -> None:
    trace = "a.b.ConnectException: outer\n\tat a.b\nCaused by: c.D: inner words: more\n\tat c.d\n\t... 3 more\n"

    assert cause({"trace": trace}) == "inner words: more"
    assert cause({"trace": None}) == ""
    assert cause({"trace": "a.b.Bare\n\tat x"}) == "Bare"
