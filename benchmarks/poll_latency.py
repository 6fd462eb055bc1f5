"""From an insert on a polled source until the lake shows its row: `frazil poll run` beside `frazil sink run`."""

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from pyiceberg.exceptions import NoSuchTableError

from benchmarks.report import report
from benchmarks.support.changes import temporary_settings, until
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.stack import Facts
from ingestion.stack.connect import connect_postgres
from tests.support.databases import TestPostgres, running

INSERTS = int(os.environ.get("FRAZIL_BENCH_INSERTS", "20"))
_FRAZIL = (sys.executable, "-c", "from ingestion.cli import main; main()")
_TABLE = "create table events (id bigint primary key, at timestamptz not null default clock_timestamp(), note text)"


def main() -> None:
    """Both commands as they are by default (every 5 s, flushes of 1 s); rows come at moments of no rule."""
    with running("postgres") as server:
        facts = TestPostgres(server.facts(), server).database()
        with connect_postgres(facts) as connection:
            connection.execute(_TABLE)
            connection.execute("insert into events (id) values (0)")
            settings = temporary_settings()
            with _commands(settings, facts):
                until(lambda: _rows(settings) == 1, 120, "the first row")
                delays = [_delay(settings, connection, number) for number in range(1, INSERTS + 1)]
    longest = max(delays)
    inputs = {
        "inserts": INSERTS,
        "median_seconds": round(statistics.median(delays), 2),
        "seconds": [round(one, 2) for one in delays],
        "load": os.getloadavg()[0],
    }
    report("poll_latency", longest, "s longest", "<= 10", longest <= 10, inputs)


@contextmanager
def _commands(settings: Settings, facts: Facts) -> Iterator[None]:
    config = settings.home_dir / "config"
    config.mkdir()
    block: dict[str, Any] = {"dialect": "postgres", "host": facts.host, "port": facts.port, "database": facts.database}
    block |= {"user": facts.user, "password": "${BENCH_PASSWORD}", "modes": ["poll"]}
    block |= {"tables": {"events": {"cursor": "at"}}}
    (config / "sources.yaml").write_text(yaml.safe_dump({"sources": {"polled": block}}), encoding="utf-8")
    more = {"FRAZIL_HOME": str(settings.home), "FRAZIL_CONFIG_DIR": str(config), "BENCH_PASSWORD": facts.password}
    running = []
    for words in (("poll", "run", "polled"), ("sink", "run")):
        with (settings.home_dir / f"{words[0]}.log").open("wb") as log:
            environment = {**os.environ, **more}
            running.append(subprocess.Popen((*_FRAZIL, *words), env=environment, stdout=log, stderr=log))
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def _delay(settings: Settings, connection: Any, number: int) -> float:
    time.sleep(random.uniform(0, 6))
    connection.execute(f"insert into events (id) values ({number})")
    written = time.monotonic()
    until(lambda: _rows(settings) == number + 1, 120, f"row {number}")
    return time.monotonic() - written


def _rows(settings: Settings) -> int:
    catalog = open_catalog(settings)
    try:
        snapshot = catalog.load_table("raw.polled_events").current_snapshot()
    except NoSuchTableError:
        return 0
    finally:
        catalog.close()
    return int(snapshot.summary.additional_properties["total-records"]) if snapshot and snapshot.summary else 0


if __name__ == "__main__":
    main()
