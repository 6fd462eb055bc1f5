"""From a load to a running connector, and what a wrong or lost beginning looks like."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import by_name
from ingestion.cdc.connect import SourceOffset
from ingestion.cdc.connector_config import connector_config, tables_of
from ingestion.cdc.handoff import LogLostError, copies_of, number, slot_of, starting_offset, trouble
from ingestion.errors import UsageError
from ingestion.settings import Settings
from ingestion.stack.jvm import free_port
from tests.support.bus import TestBus
from tests.support.databases import TestMariaDb, TestPostgres, running
from tests.support.followed import FollowedDatabase, followed

FRAZIL = str(Path(sys.executable).with_name("frazil"))


@pytest.fixture(params=["postgres", "mysql"])
def site(
    request: pytest.FixtureRequest, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    """A table of two rows, on PostgreSQL and on MariaDB in turn; nothing is loaded."""
    name = {"postgres": "postgres", "mysql": "mariadb"}[request.param]
    server: TestPostgres | TestMariaDb = request.getfixturevalue(name)
    with followed(request.param, server.database(), settings, catalog, bus, tmp_path) as found:
        found.sql("create table orders (id int primary key, note varchar(20))", "insert into orders values (1, 'a')")
        yield found


@pytest.fixture
def pg(
    postgres: TestPostgres, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    """The same, on PostgreSQL alone."""
    with followed("postgres", postgres.database(), settings, catalog, bus, tmp_path) as found:
        found.sql("create table orders (id int primary key, note varchar(20))", "insert into orders values (1, 'a')")
        yield found


def ids(events: list[Any]) -> list[int]:
    return [(one["after"] or one["before"])["id"] for one in events]


def stopped_at(site: FollowedDatabase) -> Any:
    """Where the connector goes on."""
    [found] = site.client.offsets(site.name)
    return found.offset


def has(number: int) -> Any:
    return lambda events: number in ids(events)


def test_changes_after_the_copy_arrive_each_once_whatever_is_restarted(site: FollowedDatabase) -> None:
    site.load()
    site.sql("insert into orders values (2, 'between')")

    first = site.register()
    site.sql("insert into orders values (3, 'after')")
    site.events("orders", has(3))
    again = site.register()
    site.sql("update orders set note = 'changed' where id = 1")
    site.client.restart(site.name)
    site.client.wait(site.name, "RUNNING")
    site.client.stop(site.name)
    site.client.wait(site.name, "STOPPED")
    site.client.delete(site.name)
    site.sql("insert into orders values (4, 'while it was gone')")
    third = site.register()
    site.sql("delete from orders where id = 2", "insert into orders values (5, 'last')")

    events = site.events("orders", has(5))
    found = [(one["op"], (one["after"] or one["before"])["id"]) for one in events]
    assert found == [("c", 2), ("c", 3), ("u", 1), ("c", 4), ("d", 2), ("c", 5)]
    assert first.started_at is not None
    assert (again.started_at, third.started_at) == (None, None)
    assert first.tables == (f"raw.{site.name}_orders",)
    assert site.facts.password not in first.file.read_text()


def test_a_column_added_while_the_connector_was_stopped_is_read_as_it_was_then(site: FollowedDatabase) -> None:
    site.load()
    site.register()
    site.client.stop(site.name)
    site.client.wait(site.name, "STOPPED")
    site.sql(
        "insert into orders values (2, 'before')",
        "alter table orders add column amount int",
        "insert into orders values (3, 'after', 7)",
    )

    site.register()

    events = site.events("orders", has(3))
    assert [one["after"] for one in events][1] == {"id": 3, "note": "after", "amount": 7}
    assert {**events[0]["after"], "amount": None} == {"id": 2, "note": "before", "amount": None}


def test_without_a_copy_nothing_is_followed(site: FollowedDatabase) -> None:
    with pytest.raises(UsageError, match=f"frazil bulk load {site.name}"):
        site.register()

    assert site.name not in site.client.names()


def test_a_table_without_a_copy_is_told(site: FollowedDatabase) -> None:
    site.load()
    site.sql("create table later (id int primary key)")

    found = site.register()
    site.sql("insert into later values (1)")

    assert found.not_loaded == (f"{site.schema}.later",)
    assert ids(site.events("later", has(1))) == [1]


def test_a_connector_that_reads_on_while_it_is_registered_again_has_lost_nothing(site: FollowedDatabase) -> None:
    site.load()
    copies = copies_of(site.catalog, site.source, tables_of(site.source))
    change = "update orders set note = concat(note, 'b')"

    def reading_on() -> dict[str, Any]:
        """Where it was when Connect was asked: at the end of the log, which then grows, and the slot follows."""
        if site.dialect == "mysql":
            return dict(zip(("file", "pos"), site.sql(change, "show master status")[0], strict=False))
        [[reached]] = site.sql(change, "select pg_current_wal_lsn()::text")
        site.sql(change, f"select pg_replication_slot_advance('frazil_{site.name}', pg_current_wal_lsn())")
        return {"lsn": number(reached)}

    assert starting_offset(site.source, copies, reading_on) is None


def test_a_lost_slot_stops_with_the_command_that_loads_again(pg: FollowedDatabase) -> None:
    pg.load()
    pg.register()
    pg.client.stop(pg.name)
    pg.client.wait(pg.name, "STOPPED")
    before = trouble(pg.source, slot_of(pg.source), stopped_at(pg))
    name = f"frazil_{pg.name}"
    pg.sql("update orders set note = 'b'", f"select pg_replication_slot_advance('{name}', pg_current_wal_lsn())")
    ahead = trouble(pg.source, slot_of(pg.source), stopped_at(pg))
    pg.sql(f"select pg_drop_replication_slot('{name}')", "insert into orders values (2, 'lost')")

    assert before == ""
    assert f"ahead of the connector; run `frazil cdc register {pg.name}`" in ahead
    assert "is gone" in trouble(pg.source, slot_of(pg.source), stopped_at(pg))
    with pytest.raises(LogLostError, match=f"frazil bulk load {pg.name} --no-resume"):
        pg.register()
    assert pg.client.status(pg.name).state == "STOPPED"

    pg.load(anew=True)  # as the message says
    pg.sql("insert into orders values (3, 'new')")
    found = pg.register()

    assert found.started_at is not None
    assert ids(pg.events("orders", has(3)))[-1] == 3
    assert {row["id"] for row in pg.copied("orders")} == {1, 2}


def test_a_slot_made_after_the_copies_is_no_beginning(pg: FollowedDatabase) -> None:
    pg.load()
    name = f"frazil_{pg.name}"
    pg.sql(
        f"select pg_drop_replication_slot('{name}')",
        "insert into orders values (2, 'lost')",
        f"select pg_create_logical_replication_slot('{name}', 'pgoutput')",
    )

    with pytest.raises(LogLostError, match=f"after the copies of raw.{pg.name}_orders"):
        pg.register()

    assert pg.name not in pg.client.names()


def test_a_connector_that_died_in_the_first_transaction_of_its_slot_is_set_right_by_register(
    pg: FollowedDatabase,
) -> None:
    """That transaction had begun before the slot, so the offset kept in its midst lies before the slot's beginning."""
    pg.configure(connector={"slot.max.retries": "2"})  # of one second each; 60 else
    pg.load()
    config = connector_config(pg.source, tables_of(pg.source), pg.cluster)
    pg.client.create(pg.name, config)
    pg.client.wait(pg.name, "STOPPED")
    slot = slot_of(pg.source)
    assert slot is not None
    pg.client.set_offsets(pg.name, [SourceOffset({"server": pg.name}, {"lsn": slot.confirmed - 8})])
    pg.client.resume(pg.name)
    deadline = time.monotonic() + 120
    while not (failure := pg.client.status(pg.name).failure):  # it runs for a moment
        assert time.monotonic() < deadline, "the connector should fail"
        time.sleep(0.2)
    pg.sql("insert into orders values (2, 'next')")

    found = pg.register()

    assert "Cannot seek" in failure
    assert found.started_at == {"lsn": slot.confirmed}
    assert ids(pg.events("orders", has(2))) == [2]


def test_a_binlog_that_is_gone_stops_with_the_command_that_loads_again(
    settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> None:
    with (
        running("mariadb") as server,  # its own: the logs of one that others read are not purged
        followed("mysql", TestMariaDb(server.facts(), server).database(), settings, catalog, bus, tmp_path) as site,
    ):
        site.sql("create table orders (id int primary key)")
        site.load()
        site.register()
        site.client.stop(site.name)
        site.client.wait(site.name, "STOPPED")
        assert trouble(site.source, None, stopped_at(site)) == ""
        site.sql("alter table orders add column note varchar(20) first", "insert into orders values ('lost', 1)")
        # The server keeps a log until it finds out that its reader is gone, which takes it minutes: it is told.
        readers = "select id from information_schema.processlist where command = 'Binlog Dump'"
        while numbers := site.sql(readers):
            for (number,) in numbers:
                with contextlib.suppress(pymysql.err.OperationalError):  # it ended just now
                    site.sql(f"kill {number}")
            time.sleep(0.1)
        site.sql("flush binary logs")
        while len(logs := site.sql("show binary logs")) > 1:  # until the engines do not need the older one any more
            site.sql(f"purge binary logs to '{logs[-1][0]}'")
            time.sleep(0.1)

        told = trouble(site.source, None, stopped_at(site))

        assert re.search(rf"binary log .* is gone; run `frazil cdc register {site.name}`", told)
        with pytest.raises(LogLostError, match=rf"binlog\.\d+ is gone .*frazil bulk load {site.name} --no-resume"):
            site.register()

        site.load(anew=True)  # as the message says
        found = site.register()
        site.sql("insert into orders values ('new', 2)")
        assert found.started_at is not None
        assert [one["after"] for one in site.events("orders", has(2))] == [{"note": "new", "id": 2}]


def test_keys_that_end_in_zero_bytes_are_followed_by_workers_with_the_converter_alone(
    mariadb: TestMariaDb, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> None:
    key, other = "c232ab00-9414-11ec-b3c8-9f6bdeced800", "c232ab00-9414-11ec-b3c8-9f6bdec00000"
    with followed("mysql", mariadb.database(), settings, catalog, bus, tmp_path) as site:
        site.sql(
            "create table parcels (id uuid primary key, note varchar(9))", f"insert into parcels values ('{key}', '')"
        )
        site.load()
        site.configure(is_converting=False)
        with pytest.raises(UsageError, match=r"\.parcels: Debezium moves the bytes of a uuid.*`converters: true`"):
            site.register()
        site.configure()
        site.register()
        site.sql(f"update parcels set id = '{other}'", f"delete from parcels where id = '{other}'")

        pairs = site.bus.pairs(f"{site.name}.{site.schema}.parcels", lambda found: len(found) >= 3)

    assert [(at["id"], (one["after"] or one["before"])["id"]) for at, one in pairs] == [
        (key, key),
        (other, other),
        (other, other),
    ]


def test_a_wrong_password_is_told_before_anything_is_made(pg: FollowedDatabase) -> None:
    pg.load()
    pg.sql("create role nobody_reads login password 'right' replication", "grant all on orders to nobody_reads")
    pg.configure(connector={"database.password": "wrong", "database.user": "nobody_reads"})

    with pytest.raises(UsageError, match=r"refuses its configuration: database\.\w+: .*nobody_reads"):
        pg.register()

    assert pg.name not in pg.client.names()
    pg.sql("drop owned by nobody_reads", "drop role nobody_reads")


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_a_slot_that_is_dropped_behind_the_connector_fails_it_instead_of_leaving_a_gap(
    pg: FollowedDatabase, is_made_anew: bool
) -> None:
    pg.load()
    pg.register()
    pg.sql("insert into orders values (2, 'read')")
    pg.events("orders", has(2))
    time.sleep(3)  # until Connect has written the offset down
    pg.client.stop(pg.name)
    pg.client.wait(pg.name, "STOPPED")
    pg.sql(f"select pg_drop_replication_slot('frazil_{pg.name}')", "insert into orders values (3, 'lost')")
    if is_made_anew:
        pg.sql(f"select pg_create_logical_replication_slot('frazil_{pg.name}', 'pgoutput')")

    pg.client.resume(pg.name)
    failed = pg.client.wait(pg.name, "RUNNING", 20)

    assert failed.failure
    with pytest.raises(LogLostError):
        pg.register()


def test_check_names_foreign_keys_whose_changes_are_in_no_binlog(
    mariadb: TestMariaDb, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> None:
    with followed("mysql", mariadb.database(), settings, catalog, bus, tmp_path) as site:
        site.sql(
            "create table parents (id int primary key)",
            "create table silent (id int primary key, parent int,"
            " constraint follows foreign key (parent) references parents (id) on update cascade)",
            "create table loud (id int primary key, parent int, foreign key (parent) references parents (id))",
        )

        found = [one for one in by_name("mysql").check(site.source) if one.check == "foreign key"]

    assert [one.level for one in found] == ["warn"]
    assert f"{site.schema}.silent: what follows changes by itself" in found[0].message


class Command:
    """`frazil cdc` with a site's files."""

    def __init__(self, site: FollowedDatabase) -> None:
        self._site = site

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        more = {"FRAZIL_CONFIG_DIR": str(self._site.settings.config_dir), "FRAZIL_HOME": str(self._site.settings.home)}
        environment = {**os.environ, **more}
        return subprocess.run(
            [FRAZIL, "cdc", *words], capture_output=True, text=True, env=environment, check=False, timeout=120
        )


def test_the_commands(pg: FollowedDatabase) -> None:
    pg.load()
    frazil = Command(pg)
    registered = json.loads(frazil.run("register", pg.name, "--json").stdout)
    status = json.loads(frazil.run("status", pg.name, "--json").stdout)
    states = [json.loads(frazil.run(verb, pg.name, "--json").stdout)["state"] for verb in ("pause", "resume", "stop")]
    refused = frazil.run("restart", pg.name)
    resumed = frazil.run("resume", pg.name)
    offsets = json.loads(frazil.run("offsets", pg.name, "--json").stdout)
    removed = frazil.run("unregister", pg.name, "--drop-log", "--json")

    assert (registered["state"], registered["not_loaded"]) == ("RUNNING", [])
    assert (status["state"], status["slot"]["is_active"]) == ("RUNNING", True)
    assert states == ["PAUSED", "RUNNING", "STOPPED"]
    assert (refused.returncode, "frazil cdc resume" in refused.stderr) == (2, True)
    assert resumed.returncode == 0
    assert offsets[0]["partition"] == {"server": pg.name}
    assert (removed.returncode, json.loads(removed.stdout)["log_dropped"]) == (0, True)
    assert pg.sql(f"select 1 from pg_replication_slots where slot_name = 'frazil_{pg.name}'") == []
    assert frazil.run("status", pg.name).returncode == 2
    unknown = frazil.run("status", "nosuch")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)


def test_a_connect_that_is_away_is_one_line_and_may_be_tried_again(pg: FollowedDatabase) -> None:
    pg.load()
    replace_address(pg, pg.bus.connect.facts().address)

    done = Command(pg).run("register", pg.name)

    assert (done.returncode, done.stderr.count("\n")) == (75, 1)
    assert "frazil stack status connect" in done.stderr


def test_a_kafka_that_is_away_is_one_line_and_may_be_tried_again(
    mariadb: TestMariaDb, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> None:
    with followed("mysql", mariadb.database(), settings, catalog, bus, tmp_path) as site:
        site.sql("create table orders (id int primary key)")
        site.load()
        replace_address(site, bus.bootstrap)

        done = Command(site).run("register", site.name)

    assert (done.returncode, done.stderr.count("\n")) == (75, 1)
    assert "frazil stack status kafka" in done.stderr


def replace_address(site: FollowedDatabase, address: str) -> None:
    """By one where nobody listens."""
    path = site.settings.config_dir / "kafka_clusters.yaml"
    text = path.read_text()
    assert address in text
    path.write_text(text.replace(address, f"127.0.0.1:{free_port()}"))
