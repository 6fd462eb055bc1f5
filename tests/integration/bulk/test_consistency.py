"""One position for the whole load: what concurrent writers do is in the copy or after it, never both or neither."""

import random
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from ingestion.bulk.progress import Board
from ingestion.bulk.state import State
from ingestion.bulk.table_load import Job, SharedView, TableLoad
from ingestion.lake.catalog import open_catalog
from tests.integration.bulk.lab import Lab

ACCOUNTS, START = 400, 1000


def bank(lab: Lab) -> None:
    """Accounts, and a ledger of every movement between them: each transaction keeps their sums in step."""
    text = "repeat('x', 400)"
    series = f"generate_series(1, {ACCOUNTS}) i" if lab.dialect_name == "postgres" else f"seq_1_to_{ACCOUNTS}"
    number = "i" if lab.dialect_name == "postgres" else "seq"
    serial = "bigserial" if lab.dialect_name == "postgres" else "bigint auto_increment"
    lab.sql(
        "create table accounts (id bigint primary key, balance bigint, note varchar(900))",
        f"create table ledger (id {serial} primary key, account bigint, amount bigint, note varchar(400))",
        f"insert into accounts select {number}, {START}, {text} from {series}",
        f"insert into ledger (account, amount, note) select {number}, {START}, {text} from {series}",
    )


@contextmanager
def writers(lab: Lab, count: int) -> Iterator[list[int]]:
    """Move money in `count` threads as long as the block lasts; the list counts their commits."""
    stop, commits = threading.Event(), [0] * count

    def write(place: int) -> None:
        chance = random.Random(place)
        with lab.connect() as connection, connection.cursor() as cursor:
            while not stop.is_set():
                one, other = sorted(chance.sample(range(1, ACCOUNTS + 1), 2))
                amount = chance.randint(1, 50)
                cursor.execute("begin")
                for account, change in ((one, -amount), (other, amount)):
                    cursor.execute(
                        f"update accounts set note = repeat('y', {chance.randint(1, 900)}), "
                        f"balance = balance + {change} where id = {account}"
                    )
                    cursor.execute(f"insert into ledger (account, amount, note) values ({account}, {change}, 'moved')")
                if chance.random() < 0.2:
                    cursor.execute("rollback")
                else:
                    cursor.execute("commit")
                    commits[place] += 1

    threads = [threading.Thread(target=write, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield commits
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def assert_loaded_under_writers(lab: Lab, engine: str) -> None:
    """Load while four write: the copy is the source at the load's snapshot, row by row."""
    bank(lab)
    tables = lab.tables()
    with writers(lab, 4) as commits, lab.dialect.snapshot(lab.source, 2) as snapshot:
        before = sum(commits)
        outcomes = [TableLoad(job(lab, engine), table).run(SharedView(snapshot)) for table in tables.values()]
        while sum(commits) < before + 50:
            threading.Event().wait(0.01)
        with snapshot.reader() as reader:
            seen = {
                "accounts": reader.fetch("select id, balance, note from " + named(lab, "accounts")),
                "ledger": reader.fetch("select id, account, amount, note from " + named(lab, "ledger")),
            }

    assert [(one.status, one.consistency) for one in outcomes] == [("loaded", "snapshot")] * 2, outcomes
    accounts, ledger = lab.rows("accounts"), lab.rows("ledger")
    assert rows_of(accounts, "id", "balance", "note") == sorted(map(tuple, seen["accounts"]))
    assert rows_of(ledger, "id", "account", "amount", "note") == sorted(map(tuple, seen["ledger"]))
    assert sum(accounts["balance"].to_pylist()) == sum(ledger["amount"].to_pylist()) == ACCOUNTS * START
    assert rows_of(accounts, "id", "balance", "note") != sorted(lab.sql("select id, balance, note from accounts"))
    assert all(one.is_equal and one.basis == "load" for one in lab.checked())


def test_a_load_under_four_writers_is_the_source_at_its_snapshot_row_by_row(lab: Lab) -> None:
    assert_loaded_under_writers(lab, "copy")


@pytest.fixture
def logged_orders(pg: Lab) -> Iterator[None]:
    """An empty table of orders, whose log slot `e1` keeps."""
    pg.sql("create table orders (id integer primary key)", "create publication p for table orders")
    pg.sql("select pg_create_logical_replication_slot('e1', 'pgoutput')")
    yield
    pg.sql("select pg_drop_replication_slot('e1')")


@pytest.mark.usefixtures("logged_orders")
def test_a_row_that_commits_after_the_snapshot_with_an_older_place_in_the_log_is_neither_lost_nor_repeated(
    pg: Lab,
) -> None:
    """Transaction 1 writes first, and commits after the snapshot; 2 is in the snapshot; 3 comes later."""
    late, early = pg.connect(), pg.connect()
    late.execute("begin; insert into orders values (1)")
    early.execute("insert into orders values (2)")

    (outcome,) = pg.load().values()
    late.execute("commit")
    early.execute("insert into orders values (3)")

    changes = list(logged(early))
    (status,) = State(pg.catalog, pg.settings.home_dir).statuses("lab")
    loaded = pg.rows("orders")["id"].to_pylist()
    by_place = loaded + [one["id"] for one in changes if one["written_at"] >= place(status["position"])]
    unseen = "select not pg_visible_in_snapshot(%s::text::xid8, %s::pg_snapshot)"
    ours = loaded + [one["id"] for one in changes if scalar(early, unseen, one["transaction"], status["snapshot"])]
    assert outcome.status == "loaded"
    assert 1 not in by_place, "the naive rule must lose the late row, or this test does not test"
    assert sorted(ours) == [1, 2, 3]
    late.close()
    early.close()


@pytest.mark.usefixtures("logged_orders")
def test_no_place_in_the_log_parts_what_the_snapshot_sees_from_what_it_does_not(pg: Lab) -> None:
    """Transaction 1 has its commit in the log and waits for a standby: nobody sees its row. 2 commits after it and is
    seen. Whatever place of commits a rule draws its line at, it loses row 1 or repeats row 2."""
    pg.sql(f"alter database {pg.facts.database} set synchronous_commit = local")
    early = pg.connect()
    with waiting_commits(pg):
        late, waiting = committing(pg, "insert into orders values (1)")
        assert is_waiting(early, late, waiting), "nobody waits for a standby: this test does not test"
        early.execute("insert into orders values (2)")
        (outcome,) = pg.load().values()
    waiting.join()
    early.execute("insert into orders values (3)")

    changes = list(logged(early))
    (status,) = State(pg.catalog, pg.settings.home_dir).statuses("lab")
    loaded = pg.rows("orders")["id"].to_pylist()
    places = sorted(one["committed_at"] for one in changes)
    by_place = {
        line: sorted(loaded + [one["id"] for one in changes if one["committed_at"] >= line])
        for line in (0, *places, places[-1] + 1)
    }
    unseen = "select not pg_visible_in_snapshot(%s::text::xid8, %s::pg_snapshot)"
    ours = loaded + [one["id"] for one in changes if scalar(early, unseen, one["transaction"], status["snapshot"])]
    assert (outcome.status, loaded) == ("loaded", [2])
    assert [1, 2, 3] not in by_place.values(), "a rule by the place of commits would have been enough"
    assert sorted(ours) == [1, 2, 3]
    late.close()
    early.close()


@contextmanager
def waiting_commits(lab: Lab) -> Iterator[None]:
    """Commits of sessions with synchronous_commit = on wait for a standby that does not exist."""
    lab.sql("alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()")
    try:
        with lab.connect() as asking:
            is_in_force = False
            while not is_in_force:  # the server takes its file anew when it comes to it
                tried, waiting = committing(lab, "select pg_logical_emit_message(true, 'tried', '')")
                is_in_force = is_waiting(asking, tried, waiting)
                asking.execute("select pg_cancel_backend(%s)", (tried.info.backend_pid,))
                waiting.join()
                tried.close()
        yield
    finally:
        lab.sql("alter system reset synchronous_standby_names", "select pg_reload_conf()")


def committing(lab: Lab, statement: str) -> tuple[psycopg.Connection[Any], threading.Thread]:
    """A session whose commit may wait for a standby, and the thread that it commits in."""
    connection = lab.connect()
    connection.execute("set synchronous_commit = on")
    thread = threading.Thread(target=connection.execute, args=(statement,))
    thread.start()
    return connection, thread


def is_waiting(asking: Any, connection: psycopg.Connection[Any], thread: threading.Thread) -> bool:
    """Whether the commit waits; returns when it does, or when it is done."""
    while thread.is_alive():
        event = f"select wait_event from pg_stat_activity where pid = {connection.info.backend_pid}"
        if scalar(asking, event) == "SyncRep":
            return True
    return False


def test_pages_read_in_different_transactions_miss_rows_and_ours_do_not(pg: Lab) -> None:
    pg.sql("create table logs (id integer, note text) with (fillfactor = 100)")
    pg.sql("insert into logs select i, repeat('x', 300) from generate_series(1, 20000) i")
    pg.sql("delete from logs where id <= 8000", "vacuum logs")
    pages = int(pg.sql("select pg_relation_size('logs') / 8192")[0][0])
    half = pages * 2 // 5

    def move() -> None:
        pg.sql("update logs set note = repeat('y', 301) where id > 15000")

    class Moving(Board):
        moved = False

        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if not self.moved:
                self.moved = True
                move()

    naive = [one for (one,) in pg.sql(f"select id from logs where ctid < '({half},0)'::tid")]
    move()
    naive += [one for (one,) in pg.sql(f"select id from logs where ctid >= '({half},0)'::tid")]
    pg.sql("vacuum logs")
    from ingestion.bulk.load import Load, Options

    with Moving() as board:
        (outcome,) = Load(pg.settings, pg.source, Options(parallel_tables=2)).run(board)

    assert len(set(naive)) < 12000, "the naive rule must miss rows, or this test does not test"
    assert outcome.chunks > 2
    assert sorted(pg.rows("logs")["id"].to_pylist()) == list(range(8001, 20001))


def job(lab: Lab, engine: str = "copy") -> Job:
    return Job(
        settings=lab.settings,
        source=lab.source,
        dialect=lab.dialect,
        catalog=open_catalog(lab.settings),
        state=State(lab.catalog, lab.settings.home_dir),
        board=Board(),
        stop=threading.Event(),
        readers=2,
        is_resumed=True,
        is_proven=True,
        engine=engine,
    )


def named(lab: Lab, table: str) -> str:
    return f"public.{table}" if lab.dialect_name == "postgres" else table


def rows_of(table: Any, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(zip(*(table[column].to_pylist() for column in columns), strict=True))


def logged(connection: psycopg.Connection[Any]) -> Iterator[dict[str, int]]:
    """The inserts in slot `e1`: where each was written, and by which transaction, which was committed where."""
    sql = "select lsn, data from pg_logical_slot_peek_binary_changes('e1', null, null, 'proto_version', '1', "
    begun: dict[str, int] = {}
    for lsn, data in connection.execute(sql + "'publication_names', 'p')").fetchall():
        if data[:1] == b"B":
            committed_at, _, transaction = struct.unpack(">qqi", data[1:21])
            begun = {"committed_at": committed_at, "transaction": transaction}
        elif data[:1] == b"I":
            yield {**begun, "written_at": place(lsn), "id": int(data[13:])}


def place(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def scalar(connection: psycopg.Connection[Any], sql: str, *values: Any) -> Any:
    found = connection.execute(sql.encode(), values).fetchone()
    assert found is not None
    return found[0]
