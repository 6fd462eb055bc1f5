"""deploy/compose describes the stack that tests run: the same settings, loopback alone, no written secret."""

import re
from typing import Any

import pytest
import yaml

from ingestion.settings import PROJECT_ROOT
from ingestion.stack.parts import connect, kafka, mariadb, postgres


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (PROJECT_ROOT / "deploy" / "compose" / "compose.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def test_ports_are_on_loopback_alone(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service["ports"]]

    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_passwords_come_from_the_environment(services: dict[str, Any]) -> None:
    given = {
        name: value for one in services.values() for name, value in one["environment"].items() if "PASSWORD" in name
    }

    assert given
    assert all(value.startswith("${") for value in given.values())


def test_kafka_and_connect_are_set_up_as_the_stack_does(services: dict[str, Any]) -> None:
    here = {
        "KAFKA_" + name.upper().replace(".", "_"): value
        for name, value in kafka._SETTINGS.items()
        if name.startswith(("auto", "num", "message", "group", "offsets", "transaction"))
    }
    there = services["kafka"]["environment"]
    workers = services["connect"]["environment"]

    assert {name: there.get(name) for name in here} == here
    for name in (
        "exactly.once.source.support",
        "plugin.discovery",
        "offset.flush.interval.ms",
        "producer.max.request.size",
    ):
        assert workers["CONNECT_" + name.upper().replace(".", "_")] == connect._SETTINGS[name]


def test_databases_keep_their_logs_as_the_stack_does(services: dict[str, Any]) -> None:
    words = set(services["postgres"]["command"])
    assert {f"-c{name}={postgres._SETTINGS[name]}" for name in ("wal_level", "max_replication_slots")} <= words
    words = set(services["mariadb"]["command"])
    names = ("log-bin", "binlog-format", "binlog-row-image", "binlog-row-metadata", "gtid-strict-mode")
    assert {f"--{name}={mariadb._OPTIONS[name]}" for name in names} <= words
