"""P3: writers, copies and the log, everything killed at random; in the end the lake is the source, table by table."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil
import pytest
from pyiceberg.catalog import Catalog

from ingestion.settings import Settings
from ingestion.stack import Server
from ingestion.stack.shop.writers import write
from tests.support.bus import TestBus
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.followed import FollowedDatabase, followed

FRAZIL = (sys.executable, "-c", "from ingestion.cli import main; main()")


class Sinks:
    """Sink processes, as a person would start them; one that was killed is started again."""

    def __init__(self, site: FollowedDatabase, folder: Path, count: int = 2) -> None:
        self._site, self._log, self._count = site, folder / "sinks.log", count
        self._running: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        self._running = [one for one in self._running if one.poll() is None]
        words = [*FRAZIL, "cdc", "sink", self._site.name, "--flush-seconds", "0.3"]
        while len(self._running) < self._count:
            with self._log.open("ab") as log:
                self._running.append(subprocess.Popen(words, env=environment(self._site), stdout=log, stderr=log))

    def kill(self, chance: Random) -> None:
        process = chance.choice(self._running)
        process.kill()
        process.wait()  # so that `up` does not take it for one that runs

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
            one.wait(60)


def environment(site: FollowedDatabase) -> dict[str, str]:
    return {**os.environ, "FRAZIL_HOME": str(site.settings.home), "FRAZIL_CONFIG_DIR": str(site.settings.config_dir)}


def rows_in_raw(site: FollowedDatabase) -> int:
    """Of all its tables, by their snapshots' summaries."""
    found = 0
    for name in site.catalog.list_tables("raw"):
        snapshot = site.catalog.load_table(name).current_snapshot()
        if name[1].startswith(f"{site.name}_") and snapshot and snapshot.summary:
            found += int(snapshot.summary.additional_properties["total-records"])
    return found


def wait_for_rows(site: FollowedDatabase, since: int) -> None:
    """Until raw has more rows than `since`, while little is written; some minutes at the most.

    A connector that gave up meanwhile is started again, or registered, as docs/operate/connectors.md says.
    """
    deadline = time.monotonic() + 300
    while rows_in_raw(site) <= since:
        status = site.client.status(site.name)
        assert time.monotonic() < deadline, f"nothing came to raw for minutes: {status}"
        if status.failure:
            print(f"{site.name} failed and is restarted: {status.failure}")
            if "Cannot seek" in status.failure:
                site.register()
            else:
                site.client.restart(site.name, only_failed=True)
        write(site.facts, 0.2, 1, since)


def kill(server: Server) -> None:
    """At once, with all it was doing; then it is started again."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(server.folder) in " ".join(process.info["cmdline"] or ()) and process.name() == "java":
            process.kill()
            process.wait(10)
    server.up()


@contextmanager
def written(site: FollowedDatabase, seed: int) -> Iterator[None]:
    """Writers change the shop for two seconds, the block's work among it; they must have changed something."""
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, site.facts, 2, 3, seed)
        yield
        assert writing.result().committed


def torture(site: FollowedDatabase, folder: Path, kills: int, seed: int) -> None:
    chance, bus = Random(seed), site.bus
    sinks = Sinks(site, folder)
    with written(site, 0):
        site.load()
    site.register()
    sinks.up()
    try:
        for number in range(1, kills + 1):
            before = rows_in_raw(site)
            with written(site, number):
                time.sleep(chance.uniform(0, 1.5))
                kind = ("sink", "connect", "sink", "pause", "broker")[number % 5]
                if kind == "sink":
                    sinks.kill(chance)
                elif kind == "pause":
                    sinks.pause(chance)
                else:
                    kill(bus.connect if kind == "connect" else bus.kafka)
                sinks.up()
                if number % 7 == 3:
                    site.load(anew=True)
                    before = rows_in_raw(site)
            wait_for_rows(site, before)
        site.client.wait(site.name, "RUNNING", 120)
        with written(site, kills + 1):
            reconciled(site)
        reconciled(site)
    finally:
        sinks.down()


def reconciled(site: FollowedDatabase) -> None:
    """Every table, as one snapshot of the source sees it."""
    words = [*FRAZIL, "reconcile", site.name, "--wait", "180", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(site), check=False)
    tables = json.loads(done.stdout)["tables"]
    assert done.returncode == 0, [one for one in tables if not one["is_equal"]]
    assert len(tables) == 7
    assert {one["basis"] for one in tables} == {"log"}  # none was compared with what its own copy had seen


KILLS = [(5, 1), pytest.param(30, 2, marks=pytest.mark.stress)]


@pytest.mark.parametrize(("kills", "seed"), KILLS)
def test_after_kills_at_random_the_lake_is_the_source(
    postgres: TestPostgres, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path, kills: int, seed: int
) -> None:
    with followed("postgres", postgres.shop(), settings, catalog, bus, tmp_path) as site:
        site.configure(connector={"producer.override.transaction.timeout.ms": "10000"})

        torture(site, tmp_path, kills, seed)


@pytest.mark.stress
def test_after_kills_at_random_the_lake_is_mariadbs_source(
    mariadb: TestMariaDb, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> None:
    with followed("mysql", mariadb.shop(), settings, catalog, bus, tmp_path) as site:
        site.configure(connector={"producer.override.transaction.timeout.ms": "10000"})
        sql = "select constraint_name from information_schema.referential_constraints where constraint_schema = '{}' {}"
        cascading = sql.format(site.facts.database, "and update_rule = 'CASCADE' and table_name = 'food_orders'")
        for (name,) in site.sql(cascading):  # what a cascade changes is in none of MariaDB's logs
            site.sql(f"alter table food_orders drop foreign key {name}")

        torture(site, tmp_path, 30, 3)
