"""Writers: all kinds of changes, references kept, everything said to be committed is in the log and nothing else."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from ingestion.errors import RetryableError, UsageError
from ingestion.stack.shop.changes import WEIGHTS
from ingestion.stack.shop.load import ensure_shop
from ingestion.stack.shop.tables import TABLES
from ingestion.stack.shop.writers import Written, is_conflict, write, writing
from tests.support.databases import TestMariaDb, TestPostgres, TestServer, server_in


def orphans(server: TestServer, database: str) -> list[str]:
    """References that lead nowhere."""
    found = []
    with server.connect(database) as connection, connection.cursor() as cursor:
        for table in TABLES:
            for reference in table.references:
                own, other = reference.columns[0], reference.referred[0]
                cursor.execute(
                    f"select count(*) from {table.name} t "
                    f"where not exists (select 1 from {reference.table} r where r.{other} = t.{own})"
                )
                if cursor.fetchone() != (0,):
                    found.append(f"{table.name}.{own}")
    return found


def test_every_kind_of_change_is_made_by_several_writers_at_once(database_server: TestServer) -> None:
    shop = database_server.shop()
    kinds = {change.__name__ for change, _ in WEIGHTS}
    so_far: list[Written] = []
    seen: Counter[str] = Counter()

    while set(seen) != kinds:
        assert len(so_far) < 10, f"never made: {kinds - set(seen)}"
        so_far.append(write(shop, 2, writers=4, seed=len(so_far)))
        seen.update(so_far[-1].changes)

    assert sum(one.rolled_back for one in so_far) > 0
    assert sum(one.long for one in so_far) > 0
    assert sum(one.committed for one in so_far) == sum(seen.values())
    assert orphans(database_server, shop.database) == []


def test_what_is_said_to_be_committed_is_in_the_log_and_nothing_rolled_back_is(postgres: TestPostgres) -> None:
    shop = postgres.shop()
    with postgres.connect(shop.database) as connection:
        connection.execute("select pg_create_logical_replication_slot('watched', 'test_decoding')")

        written = write(shop, 3)

        read = "select data from pg_logical_slot_get_changes('watched', null, null, 'skip-empty-xacts', '1')"
        changes = [text for (text,) in connection.execute(read)]  # without the server's own, as autovacuum's
        connection.execute("select pg_drop_replication_slot('watched')")

    commits = sum(text.startswith("COMMIT") for text in changes)
    words = {text.split(":")[1].strip() for text in changes if text.startswith("table ")}
    assert written.rolled_back > 0
    assert 0 < commits <= written.committed
    assert commits > written.committed * 0.8  # a change that finds no row commits nothing
    assert words == {"INSERT", "UPDATE", "DELETE"}
    assert any("UPDATE: old-key:" in text for text in changes)
    assert any("unchanged-toast-datum" in text for text in changes)


def test_mariadbs_log_has_as_many_transactions_as_were_committed(mariadb: TestMariaDb) -> None:
    def place() -> int:
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("select @@gtid_binlog_pos")
            found: Any = cursor.fetchone()
            return int(found[0].rsplit("-", 1)[1])

    shop = mariadb.shop()
    before = place()

    written = write(shop, 3)

    assert written.committed * 0.8 < place() - before <= written.committed


def test_writers_in_a_process_of_their_own_are_at_work_until_they_are_ended(database_server: TestServer) -> None:
    shop = database_server.shop()
    statement = "select count(*), max(order_id) from orders"

    with writing(shop, writers=2) as end, database_server.connect(shop.database) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            first = cursor.fetchone()
            time.sleep(1)
            cursor.execute(statement)
            second = cursor.fetchone()
        written = end()
        with connection.cursor() as cursor:
            cursor.execute(statement)
            third = cursor.fetchone()
            time.sleep(0.5)
            cursor.execute(statement)
            fourth = cursor.fetchone()

    assert first != second
    assert third == fourth
    assert written.committed > 0


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_a_server_that_dies_under_its_writers_is_a_clear_error(state: Path, name: str) -> None:
    server = server_in(state, name)
    shop = ensure_shop([server.up()], 0.002)[0]
    pid = server.status().pid
    assert pid is not None
    others = set(multiprocessing.active_children())

    with writing(shop) as end:
        os.kill(pid, signal.SIGKILL)
        for writers in set(multiprocessing.active_children()) - others:
            writers.join(60)  # a server's own processes may outlive it by a moment, in which all goes well

        with pytest.raises(RetryableError, match="frazil stack status"):
            end()


def test_a_database_that_is_no_shop_is_refused(database_server: TestServer) -> None:
    with pytest.raises(UsageError, match=r"is not a whole shop .*frazil stack up"):
        write(database_server.database(), 5)


def test_a_deadlock_is_a_conflict_and_no_lost_connection(database_server: TestServer) -> None:
    name = database_server.database().database
    errors: list[Exception] = []
    with database_server.connect(name) as main, main.cursor() as cursor:
        cursor.execute("create table pairs (id int primary key, n int)")
        cursor.execute("insert into pairs values (1, 0), (2, 0)")
    ready = threading.Barrier(2)

    def work(first: int, second: int) -> None:
        with database_server.connect(name) as connection, connection.cursor() as cursor:
            cursor.execute("begin")
            cursor.execute(f"update pairs set n = 1 where id = {first}")
            ready.wait(60)
            try:
                cursor.execute(f"update pairs set n = 1 where id = {second}")
            except (psycopg.Error, pymysql.Error) as error:
                errors.append(error)
            cursor.execute("rollback")

    threads = [threading.Thread(target=work, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [is_conflict(error) for error in errors] == [True]
