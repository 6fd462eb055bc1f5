"""All readers of a snapshot see one moment, whoever writes; the log is kept from before it."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

import pymysql
import pytest
from pydantic import SecretStr

from ingestion.bulk.dialects.base import Snapshot, by_name
from ingestion.bulk.dialects.mysql import snapshot as mysql_snapshot
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.sources import source_of


def counts(snapshot: Snapshot, readers: int) -> list[int]:
    with snapshot.reader() as first:
        if readers == 1:
            return [int(first.fetch("select count(*) from items")[0][0])]
        return [int(first.fetch("select count(*) from items")[0][0]), *counts(snapshot, readers - 1)]


@pytest.fixture
def shop(postgres: TestPostgres) -> DatabaseSource:
    facts = postgres.database()
    with postgres.connect(facts.database) as connection:
        connection.execute("create table items (id int primary key)")
        connection.execute("insert into items select generate_series(1, 100)")
    return source_of(facts, "postgres", name=facts.database.replace("_", ""), modes=["bulk", "cdc"])


def test_a_lost_reader_of_postgresql_is_replaced_in_the_same_snapshot(
    postgres: TestPostgres, shop: DatabaseSource
) -> None:
    dialect = by_name("postgres")
    seen = "select count(*) from public.items"
    with dialect.snapshot(shop, 1) as snapshot, postgres.connect(shop.database) as writer:
        writer.execute("delete from items where id > 10")
        with snapshot.reader() as reader:
            [(pid,)] = reader.fetch("select pg_backend_pid()")
            writer.execute("select pg_terminate_backend(%s)", (pid,))
            with pytest.raises(RetryableError):
                reader.fetch(seen)
        with snapshot.reader() as reader:
            assert reader.fetch(seen) == [(100,)]


def test_the_slot_is_older_than_the_snapshot_and_made_once(postgres: TestPostgres, shop: DatabaseSource) -> None:
    dialect = by_name("postgres")

    dialect.prepare_log(shop)
    dialect.prepare_log(shop)
    with dialect.snapshot(shop, 1) as snapshot:
        place = snapshot.position

    with postgres.connect(shop.database) as connection:
        slots = connection.execute(
            "select confirmed_flush_lsn::text, plugin::text from pg_replication_slots where slot_name = %s",
            (f"frazil_{shop.name}",),
        ).fetchall()
        published = connection.execute("select pubname::text, tablename::text from pg_publication_tables").fetchall()
        connection.execute("select pg_drop_replication_slot(%s)", (f"frazil_{shop.name}",))
    assert slots == [(place.start, "pgoutput")]
    assert published == [(f"frazil_{shop.name}", "items")]
    high, low = place.start.split("/")
    assert f"{int(high, 16):08X}/{int(low, 16):08X}" <= place.position


@pytest.mark.parametrize("grants", ["reload, binlog monitor", "binlog monitor", ""], ids=["lock", "no lock", "nothing"])
def test_readers_of_mariadb_start_at_one_place_of_its_log(mariadb: TestMariaDb, grants: str) -> None:
    facts = mariadb.database()
    user = f"reader_{facts.database}"
    with mariadb.connect(facts.database) as connection, connection.cursor() as cursor:
        cursor.execute("create table items (id int primary key)")
        cursor.execute("insert into items values (1), (2), (3)")
        cursor.execute(f"create user {user}@'%' identified by 'secret'")
        cursor.execute(f"grant select on {facts.database}.* to {user}@'%'")
        if grants:
            cursor.execute(f"grant {grants} on *.* to {user}@'%'")
        cursor.execute("show master status")
        [(file, offset, *_)] = cursor.fetchall()
        source = source_of(facts, "mysql").model_copy(update={"user": user, "password": SecretStr("secret")})

        with by_name("mysql").snapshot(source, 3) as snapshot:
            cursor.execute("insert into items values (4)")
            found = counts(snapshot, 3)
            place = snapshot.position
        cursor.execute(f"drop user {user}@'%'")

    assert found == [3, 3, 3]
    assert place.start == f"{file}:{offset}"
    assert place.snapshot


class Contended:
    """Two transactions of MariaDB, the second of which waits for a row of the first."""

    def __init__(self, mariadb: TestMariaDb, pool: ThreadPoolExecutor) -> None:
        self.facts, self._pool = mariadb.database(), pool
        self.first, self.second = mariadb.connect(self.facts.database), mariadb.connect(self.facts.database)
        self.ask("create table items (id int primary key, price int)", "insert into items values (1, 0), (2, 0)")
        self.ask("begin", "update items set price = 10 where id = 1")
        self.waiting = pool.submit(self.ask, "update items set price = 20 where id = 1", by=self.second)
        self.until("updating", "update items set price = 20%")

    def ask(self, *statements: str, by: Any = None) -> list[tuple[Any, ...]]:
        with (by or self.first).cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def until(self, state: str, statement: str) -> None:
        """Returns when a session is in that state with such a statement."""
        words = f"select 1 from information_schema.processlist where state = '{state}' and info like '{statement}'"
        while not self.ask(words):
            time.sleep(0.01)

    def snapshot(self) -> tuple[list[int], str]:
        """What two readers of a snapshot count, and where it is in the log."""
        with by_name("mysql").snapshot(source_of(self.facts, "mysql"), 2) as snapshot:
            return counts(snapshot, 2), snapshot.position.start

    def submit(self) -> "Future[tuple[list[int], str]]":
        return self._pool.submit(self.snapshot)


@contextmanager
def contended(mariadb: TestMariaDb) -> Iterator[Contended]:
    with ThreadPoolExecutor(2) as pool:
        made = Contended(mariadb, pool)
        with closing(made.second), closing(made.first):
            yield made
            with suppress(pymysql.err.Error):
                made.ask("rollback")
            made.waiting.result()


def test_writers_that_wait_for_each_other_and_for_the_lock_go_on_and_the_snapshot_is_taken(
    mariadb: TestMariaDb,
) -> None:
    """The lock waits for the second, it for the first's row, and the first for the lock."""
    with contended(mariadb) as writers:
        found = writers.submit()
        writers.until("Waiting for backup lock", "flush tables with read lock")
        writers.ask("update items set price = 10 where id = 2", "insert into items values (3, 0)", "commit")
        writers.waiting.result()

        counted, place = found.result()
        [(file, offset, *_)] = writers.ask("show master status")

    assert counted == [3, 3]
    assert place == f"{file}:{offset}"


def test_where_a_statement_never_ends_readers_find_a_common_place_without_the_lock(
    mariadb: TestMariaDb, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mysql_snapshot, "_TRIES_FOR_LOCK", 2)
    with contended(mariadb) as writers, caplog.at_level(logging.WARNING):
        [(file, offset, *_)] = writers.ask("show master status")

        counted, place = writers.snapshot()

        assert not writers.waiting.done(), "the statement ended: this test does not test"

    assert counted == [2, 2]
    assert place == f"{file}:{offset}"
    assert [record.message for record in caplog.records if record.name == mysql_snapshot.__name__] == ["no_global_lock"]


def test_the_snapshot_of_a_server_that_went_away_can_be_tried_again(
    postgres: TestPostgres, shop: DatabaseSource
) -> None:
    with by_name("postgres").snapshot(shop, 1) as snapshot, postgres.connect(shop.database) as killer:
        killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'frazil' and datname = current_database()"
        )

        with pytest.raises(RetryableError), snapshot.reader():
            pass
