"""`frazil cdc repair` on real tables, and copies over two snapshots: in the end raw is the source."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from ingestion.bulk.marks import marks_of
from ingestion.cdc.fold import folded
from ingestion.settings import Settings
from tests.integration.cdc.test_runbooks import drain, frazil
from tests.support.bus import TestBus
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.followed import FollowedDatabase, followed
from tests.support.loads import stopped_load


@pytest.fixture(params=["postgres", "mysql"])
def site(
    request: pytest.FixtureRequest, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    """On PostgreSQL and on MariaDB in turn."""
    name = {"postgres": "postgres", "mysql": "mariadb"}[request.param]
    server: TestPostgres | TestMariaDb = request.getfixturevalue(name)
    with followed(request.param, server.database(), settings, catalog, bus, tmp_path) as found:
        yield found


def tables(done: subprocess.CompletedProcess[str], site: FollowedDatabase) -> dict[str, Any]:
    """By the table's name in the source."""
    found = json.loads(done.stdout)["tables"]
    return {row["table"].removeprefix(f"raw.{site.name}_"): row for row in found}


def test_repair_loads_again_what_the_log_never_told_and_nothing_else(site: FollowedDatabase) -> None:
    site.sql("create table items (id int primary key)", "create table others (id int primary key)")
    site.sql("insert into items values (1)", "insert into others values (1)")
    site.load()
    site.register()
    site.sql("insert into items values (2)", "insert into others values (2)")
    site.sql("alter table items add column state varchar(9) default 'new'", "insert into items values (3, 'old')")
    site.events("items", lambda events: len(events) == 2)
    site.events("others", bool)
    drain(site)

    before = frazil(site, "reconcile", site.name, "--wait", "0", "--json")
    repaired = frazil(site, "cdc", "repair", site.name, "--wait", "0", "--json")
    site.sql("insert into items values (4, 'last')")
    site.events("items", lambda events: len(events) == 3)
    drain(site)
    after = frazil(site, "reconcile", site.name, "--wait", "0", "--json")
    again = frazil(site, "cdc", "repair", site.name, "--wait", "0", "--json")

    wrong = tables(before, site)["items"]
    assert before.returncode == 3
    assert [(one["key"], one["what"]) for one in wrong["keys"]] == [(["1"], "differs"), (["2"], "differs")]
    assert repaired.returncode == 0, repaired.stderr
    assert {name: row["copy"] for name, row in tables(repaired, site).items()} == {
        "items": "loaded",
        "others": "not needed",
    }
    assert after.returncode == 0, after.stdout
    assert {(row["basis"], row["is_equal"]) for row in tables(after, site).values()} == {("log", True)}
    assert again.returncode == 0
    assert {row["copy"] for row in tables(again, site).values()} == {"not needed"}


def test_a_copy_over_two_snapshots_and_the_log_end_in_the_source_s_rows(site: FollowedDatabase) -> None:
    site.configure(chunk_bytes=128 * 1024)
    numbers = "generate_series(1, 6000) n" if site.dialect == "postgres" else "(select seq as n from seq_1_to_6000) s"
    site.sql(
        "create table versions (id int primary key, n int, note varchar(200))",
        f"insert into versions select n, 0, repeat('snow', 25) from {numbers}",
        f"analyze {'' if site.dialect == 'postgres' else 'table '}versions",
    )

    stopped = stopped_load(site.settings, site.source, parallel_tables=1)
    with site.connect() as open_meanwhile, open_meanwhile.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("update versions set n = n + 100 where id in (2, 5998)")
        change(site, 1)
        site.load()
        cursor.execute("commit")
    change(site, 2)
    site.register()
    change(site, 3)

    mark = marks_of(site.catalog.load_table(f"raw.{site.name}_versions"))[str(stopped.run_id)]
    assert (len(mark.views), mark.consistency, mark.completed_at is not None) == (2, "per_chunk", True)
    wanted = dict(site.sql("select id, n from versions"))
    deadline = time.monotonic() + 120
    while (lake := in_lake(site)) != wanted and time.monotonic() < deadline:
        site.events("versions", bool)
        drain(site)
    assert lake == wanted


def change(site: FollowedDatabase, number: int) -> None:
    """Rows from all over the table but its ends are changed, deleted and added, others at each number."""
    within = "id between 10 and 5000 and id"
    site.sql(
        f"update versions set n = n + 1 where {within} % 5 = {number}",
        f"delete from versions where {within} % 97 = {number}",
        f"insert into versions values ({10_000 + number}, {number}, 'new')",
        f"update versions set id = id + 20000 where {within} % 101 = {number}",
    )


def in_lake(site: FollowedDatabase) -> dict[int, int]:
    parts = folded(site.catalog.load_table(f"raw.{site.name}_versions"), ("id",))
    return {row["id"]: row["n"] for part in parts for row in part.to_pylist()}
