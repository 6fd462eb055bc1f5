"""`frazil cdc sink` as a command: what it says in one line when something is wrong, and its exit codes."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyiceberg.catalog import Catalog

from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.topics import Topic, event

FRAZIL = (sys.executable, "-c", "from ingestion.cli import main; main()")


@pytest.fixture
def items(bus: TestBus, postgres: TestPostgres, catalog: Catalog) -> Topic:
    return Topic(bus, postgres, catalog)


@pytest.fixture
def work(items: Topic, settings: Settings, tmp_path: Path) -> "Work":
    return Work(items, settings, tmp_path / "config")


class Work:
    """The command for one source, whose topic is `items`."""

    def __init__(self, items: Topic, settings: Settings, config: Path) -> None:
        self.items, self._settings, self._config = items, settings, config
        self.configure()

    def configure(self, **changed: Any) -> None:
        """Write config/sources.yaml, with `changed` beside what is right."""
        source, names = self.items.source, ("dialect", "host", "port", "database", "user")
        block = {name: getattr(source, name) for name in names} | {"password": "${SINK_PASSWORD}"}
        block |= {"modes": ["bulk", "cdc"], **changed}
        self._config.mkdir(exist_ok=True)
        (self._config / "sources.yaml").write_text(yaml.safe_dump({"sources": {source.name: block}}), encoding="utf-8")

    def run(self, *words: str, source: str | None = None, bootstrap: str | None = None) -> tuple[int, str, str]:
        """Exit code, what it printed, and its last line of errors."""
        command = [*FRAZIL, "cdc", "sink", source or self.items.source.name, "--once", *words]
        command += ["--bootstrap", bootstrap or self.items.bus.client["bootstrap.servers"]]
        own = {"FRAZIL_HOME": str(self._settings.home), "FRAZIL_CONFIG_DIR": str(self._config)}
        own["SINK_PASSWORD"] = self.items.source.password.get_secret_value()
        done = subprocess.run(
            command, env={**os.environ, **own}, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, (done.stderr.splitlines() or [""])[-1]


def test_a_source_that_nobody_knows_is_wrong_use_and_the_known_are_named(work: Work) -> None:
    code, _, line = work.run(source="nobody")

    assert code == 2
    assert re.search(rf"nobody.*{work.items.source.name}", line), line


def test_a_source_without_its_mode_is_wrong_use(work: Work) -> None:
    work.configure(modes=["bulk"])

    code, _, line = work.run()

    assert (code, line) == (
        2,
        f"frazil: {work.items.source.name}: add cdc to its modes in config/sources.yaml first",
    )


def test_a_kafka_that_does_not_answer_is_to_be_tried_again(work: Work) -> None:
    code, _, line = work.run(bootstrap="127.0.0.1:9")

    assert code == 75
    assert re.match(r"frazil: Kafka at 127.0.0.1:9 does not answer .*frazil stack status kafka", line), line


def test_a_catalog_that_does_not_answer_is_to_be_tried_again(work: Work, settings: Settings) -> None:
    other = sqlite3.connect(settings.home_dir / "catalog.db", isolation_level=None)
    other.execute("begin exclusive")

    code, _, line = work.run()

    other.execute("rollback")
    other.close()
    assert code == 75
    assert re.match(r"frazil: the lake's catalog .* cannot be opened .*; see that FRAZIL_HOME can be written", line), (
        line
    )


def test_a_table_that_its_contract_stops_is_a_broken_contract(work: Work, postgres: TestPostgres) -> None:
    work.configure(contract="freeze")
    work.items.put([1])
    assert work.run()[0] == 0
    with postgres.connect(work.items.source.database) as connection:
        connection.execute(b"alter table items add column extra int")
    work.items.put_bytes([_with_extra(work.items)])

    code, printed, line = work.run()

    assert code == 3
    assert "extra" in line
    assert re.search(r"contract|config/sources.yaml", line), line
    assert work.items.ids() == [1], printed


def test_messages_that_kafka_has_lost_fail_and_say_how_to_load_the_table(work: Work) -> None:
    work.items.put(range(10))
    work.items.forget(4)

    code, _, line = work.run()

    assert code == 1
    assert re.search(r"first 4 messages deleted.*`frazil bulk load .*--accept-gaps", line), line


def test_a_source_without_a_topic_is_to_be_registered(work: Work) -> None:
    code, _, line = work.run("--prefix", "nothing")

    assert code == 75
    assert f"run `frazil cdc register {work.items.source.name}`" in line


def test_a_topic_without_messages_is_done_and_says_so(work: Work) -> None:
    code, printed, _ = work.run()

    assert code == 0
    assert f"no message is on Kafka that raw has not; `frazil cdc status {work.items.source.name}`" in printed


def _with_extra(items: Topic) -> bytes:
    return event(2, items.source.name).replace(b'"note":', b'"extra": 1, "note":')
