"""P3: writers, copies and the log, everything killed at random; in the end the lake is the source, row by row."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
import yaml

from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.stack import Server
from tests.integration.cdc.test_handoff import KEYS, load, settle, writers
from tests.support.databases import TestPostgres
from tests.support.debezium import Followed

Maker = Callable[..., tuple[Followed, Any]]


class Sinks:
    """Sink processes, as a person would start them; one that was killed is started again."""

    def __init__(self, found: Followed, settings: Settings, folder: Path, count: int = 2) -> None:
        self._found, self._log, self._count = found, folder / "sinks.log", count
        config = folder / "config"
        config.mkdir()
        source = found.source
        block = source.model_dump(include={"dialect", "host", "port", "database", "user", "modes"}, mode="json")
        block["password"] = "${LAB_PASSWORD}"
        (config / "sources.yaml").write_text(yaml.safe_dump({"sources": {source.name: block}}), encoding="utf-8")
        self._environment = {
            **os.environ,
            "FRAZIL_HOME": str(settings.home_dir),
            "FRAZIL_CONFIG_DIR": str(config),
            "FRAZIL_KAFKA_BOOTSTRAP": found.bus.bootstrap,
            "LAB_PASSWORD": source.password.get_secret_value(),
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        self._running = [one for one in self._running if one.poll() is None]
        command = [sys.executable, "-c", "from ingestion.cli import main; main()", "cdc", "sink"]
        while len(self._running) < self._count:
            words = [
                *command,
                self._found.source.name,
                "--flush-seconds",
                "0.3",
                "--bootstrap",
                self._found.bus.bootstrap,
            ]
            with self._log.open("ab") as log:
                self._running.append(subprocess.Popen(words, env=self._environment, stdout=log, stderr=log))

    def kill(self, chance: Random) -> None:
        os.kill(chance.choice(self._running).pid, signal.SIGKILL)

    def pause(self, chance: Random) -> None:
        """Stand still for a while, long enough for others to get its partitions, and go on as if nothing were."""
        pid = chance.choice(self._running).pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 2))
        os.kill(pid, signal.SIGCONT)

    def down(self) -> None:
        for one in self._running:
            one.terminate()
        for one in self._running:
            one.wait(30)


def _wait_for_rows(found: Followed, settings: Settings, since: int) -> int:
    """Until raw has more rows than `since`, or some minutes have passed; how many it has."""
    catalog = open_catalog(settings)
    deadline = time.monotonic() + 180
    rows = since
    while rows <= since and time.monotonic() < deadline:
        time.sleep(0.1)
        snapshot = catalog.load_table(f"raw.{found.source.name}_versions").current_snapshot()
        summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
        rows = int(summary.get("total-records", 0))
    catalog.close()
    assert rows > since, "nothing came to raw for minutes"
    return rows


def _kill(server: Server) -> None:
    """At once, with all it was doing."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(server.folder) in " ".join(process.info["cmdline"] or ()) and process.name() == "java":
            process.kill()
            process.wait(10)


def _torture(found: Followed, postgres: TestPostgres, settings: Settings, folder: Path, kills: int, seed: int) -> None:
    chance = Random(seed)
    bus = found.bus
    sinks = Sinks(found, settings, folder)
    with writers(postgres, found.source.database):
        load(settings, found)
        found.register(**{"producer.override.transaction.timeout.ms": "10000"})
        sinks.up()
        rows = KEYS  # more than the copy has
        for number in range(kills):
            rows = _wait_for_rows(found, settings, rows)
            time.sleep(chance.uniform(0, 1))
            kind = ("sink", "connect", "sink", "pause", "broker")[number % 5]
            if kind == "sink":
                sinks.kill(chance)
            elif kind == "pause":
                sinks.pause(chance)
            elif kind == "connect":
                _kill(bus.connect)
                bus.connect.up()
            else:
                _kill(bus.kafka)
                bus.kafka.up()
            sinks.up()
            if number % 7 == 3:
                load(settings, found)
                rows += KEYS
    found.wait_running(120)
    sinks.down()


@pytest.mark.parametrize(("kills", "seed"), [(5, 1), pytest.param(30, 2, marks=pytest.mark.stress)])
def test_after_kills_at_random_the_lake_is_the_source(
    followed_postgres: Maker, postgres: TestPostgres, settings: Settings, tmp_path: Path, kills: int, seed: int
) -> None:
    table = "create table versions (id int primary key, n int, body text)"
    found, connection = followed_postgres(table, "alter table versions alter body set storage external", register=False)

    _torture(found, postgres, settings, tmp_path, kills, seed)

    settle(settings, found, connection)
