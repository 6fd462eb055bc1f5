"""The hand-off from a copy to the log, on real servers up to the topic: which rule loses rows, and that ours does not.

The requirement drops events below the log position that was noted before the copy. A transaction that is open at the
copy's snapshot has written its rows below that position and commits after it: its rows are in neither.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pymysql
import pytest
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import by_name
from ingestion.cdc.handoff import number
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.followed import FollowedDatabase, followed

_ROWS, _WRITERS = 200, 4


@pytest.fixture
def pg(
    postgres: TestPostgres, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    with followed("postgres", postgres.database(), settings, catalog, bus, tmp_path) as found:
        yield found


@pytest.fixture(params=["postgres", "mysql"])
def counters(
    request: pytest.FixtureRequest, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    """Rows whose `version` counts their changes, on PostgreSQL and on MariaDB in turn."""
    name = {"postgres": "postgres", "mysql": "mariadb"}[request.param]
    server: TestPostgres | TestMariaDb = request.getfixturevalue(name)
    with followed(request.param, server.database(), settings, catalog, bus, tmp_path) as found:
        values = ", ".join(f"({one}, 0)" for one in range(_ROWS))
        found.sql("create table counters (id int primary key, version int)", f"insert into counters values {values}")
        yield found


def sees(site: FollowedDatabase, events: list[Any], snapshot: str) -> set[int]:
    """Which of the events' transactions the snapshot saw, by the server's own word."""
    if site.dialect != "postgres":
        return set()  # a binlog's place is exact by itself
    numbers = {int(one["source"]["txId"]) for one in events}
    listed = ", ".join(f"('{one}'::xid8)" for one in numbers)
    rows = site.sql(
        f"select xid::text from (values {listed}) as seen (xid) where pg_visible_in_snapshot(xid, '{snapshot}')"
    )
    return {int(row[0]) for row in rows}


def test_the_rule_by_log_position_loses_an_open_transaction_and_ours_does_not(pg: FollowedDatabase) -> None:
    pg.sql("create table orders (id int primary key)")
    by_name("postgres").prepare_log(pg.source)
    with pg.connect() as early:
        early.autocommit = False
        early.execute("insert into orders values (1)")
        pg.sql("insert into orders values (2)")
        pg.load()
        early.commit()
    pg.sql("insert into orders values (3)")
    pg.register()

    events = pg.events("orders", lambda found: len(found) >= 3)
    view, copied = pg.view("orders"), {row["id"] for row in pg.copied("orders")}
    seen = sees(pg, events, view.snapshot)
    by_position = {one["after"]["id"] for one in events if one["source"]["lsn"] > number(view.position)}
    by_snapshot = {one["after"]["id"] for one in events if int(one["source"]["txId"]) not in seen}

    assert copied == {2}
    assert copied | by_position == {2, 3}, "the requirement's rule would have been enough"
    assert by_snapshot == {1, 3}, "each change must be in the copy or in the stream, and not in both"


def test_under_writers_every_change_is_in_the_copy_or_in_the_stream_and_none_twice(counters: FollowedDatabase) -> None:
    by_name(counters.dialect).prepare_log(counters.source)
    with writers(counters):
        time.sleep(0.5)
        counters.load()
        time.sleep(0.5)
        counters.register()
        time.sleep(1)
        counters.client.restart(counters.name)
        time.sleep(1)
    counters.client.wait(counters.name, "RUNNING")
    counters.sql("insert into counters values (-1, 0)")

    events = counters.events("counters", lambda found: bool(found) and any(one["after"]["id"] == -1 for one in found))
    final = dict(counters.sql("select id, version from counters where id >= 0"))
    copied = {row["id"]: row["version"] for row in counters.copied("counters")}
    seen = sees(counters, events, counters.view("counters").snapshot)
    versions: dict[int, list[int]] = defaultdict(list)
    for one in events:
        if int(one["source"].get("txId") or -1) not in seen and one["after"]["id"] >= 0:
            versions[one["after"]["id"]].append(one["after"]["version"])
    assert sum(final.values()) > sum(copied.values()) > 0
    for row, version in final.items():
        assert versions[row] == list(range(copied[row] + 1, version + 1)), f"row {row}, copied at {copied[row]}"


class writers:  # noqa: N801 - a context, used as one
    """Threads that count rows up, several in a transaction, some of them open for a while."""

    def __init__(self, site: FollowedDatabase) -> None:
        self._site, self._stop = site, threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(one,)) for one in range(_WRITERS)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, seed: int) -> None:
        random = Random(seed)
        with self._site.connect() as connection:
            while not self._stop.is_set():
                chosen = sorted(random.sample(range(_ROWS), random.randint(1, 4)))
                with connection.cursor() as cursor:
                    try:
                        cursor.execute("begin")
                        for row in chosen:
                            cursor.execute(f"update counters set version = version + 1 where id = {row}")
                        time.sleep(random.choice([0.001, 0.001, 0.01, 0.2]))
                        cursor.execute(random.choice(["commit"] * 9 + ["rollback"]))
                    except (psycopg.errors.DeadlockDetected, pymysql.err.OperationalError):
                        cursor.execute("rollback")
