"""Calls to Kafka Connect while its workers rebalance and answers are lost: each has its effect, once."""

from collections.abc import Iterator

import pytest

from ingestion.cdc.clusters import ConnectAddress
from ingestion.cdc.connect import ConnectClient, ConnectUnreachableError, NoConnectorError, SourceOffset
from tests.support.bus import TestBus
from tests.support.faults import Fault, in_front_of


@pytest.fixture(params=[("busy",), ("unheard",), ("lost",), ("busy", "lost", "busy", "unheard")], ids="-".join)
def faulty(request: pytest.FixtureRequest, bus: TestBus) -> Iterator[tuple[ConnectClient, tuple[Fault, ...]]]:
    with in_front_of(bus.connect_url, *request.param) as front:
        client = ConnectClient(ConnectAddress(url=front.url), patience=60)
        yield client, request.param
        client.close()


def test_the_life_of_a_connector_in_spite_of_all(
    faulty: tuple[ConnectClient, tuple[Fault, ...]],
    config: dict[str, str],
    bus: TestBus,
) -> None:
    client, _ = faulty
    name = config["name"]
    worker = ConnectClient(ConnectAddress(url=bus.connect_url), patience=60)

    assert client.validate(config) == []
    client.create(name, config)
    assert worker.wait(name, "STOPPED").state == "STOPPED"
    client.set_offsets(name, [SourceOffset({"server": name}, {"lsn": 24})])
    assert worker.offsets(name) == [SourceOffset({"server": name}, {"lsn": 24})]
    client.reset_offsets(name)
    assert worker.offsets(name) == []
    client.update(name, {**config, "poll.interval.ms": "100"})
    assert worker.config(name)["poll.interval.ms"] == "100"
    client.resume(name)
    assert worker.wait(name, "RUNNING").is_running
    client.restart(name)
    assert worker.wait(name, "RUNNING").is_running
    client.pause(name)
    assert worker.wait(name, "PAUSED").state == "PAUSED"
    client.stop(name)
    assert worker.wait(name, "STOPPED").state == "STOPPED"
    client.delete(name)
    assert name not in worker.names()
    with pytest.raises(NoConnectorError):
        client.delete(name)
    worker.close()


def test_a_worker_that_rebalances_for_too_long_may_be_tried_again(
    bus: TestBus,
    config: dict[str, str],
) -> None:
    always: tuple[Fault, ...] = ("busy",) * 1000
    with in_front_of(bus.connect_url, *always) as front:
        client = ConnectClient(ConnectAddress(url=front.url), patience=1)

        with pytest.raises(ConnectUnreachableError, match=r"is not ready: .*rebalance.*; try again") as caught:
            client.create(config["name"], config)

    assert caught.value.exit_code == 75
    assert front.calls["POST", "/connectors"] >= 1
    assert front.calls["GET", "/health"] > 1
