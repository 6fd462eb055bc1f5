"""The generated shop: the same everywhere, sums that agree, and whole or not there."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion.errors import UsageError
from ingestion.settings import PROJECT_ROOT
from ingestion.stack.part import Facts
from ingestion.stack.shop import words
from ingestion.stack.shop.files import shop_files
from ingestion.stack.shop.load import ensure_shop
from ingestion.stack.shop.rows import Shop, money
from ingestion.stack.shop.tables import TABLES, Table
from tests.support.databases import TestMariaDb, TestPostgres, TestServer

_SCALE = 0.002


def query(server: TestServer, database: str, statement: str) -> list[tuple[Any, ...]]:
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def rows_of(server: TestServer, shop: Facts, table: Table) -> list[tuple[Any, ...]]:
    """All rows by key, their values in one form for both servers."""
    names = ", ".join(column.name for column in table.columns)
    found = query(server, shop.database, f"select {names} from {table.name}")
    kinds = [column.kind for column in table.columns]
    return sorted((tuple(_plain(*pair) for pair in zip(kinds, row, strict=True)) for row in found), key=repr)


def _plain(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "json":
        return json.loads(value) if isinstance(value, str) else value
    if kind == "words":
        return json.loads(value) if isinstance(value, str) else value
    if kind == "moment":
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if kind == "time":
        return str(value) if isinstance(value, timedelta) else value.isoformat().removeprefix("0")
    if kind == "boolean":
        return bool(value)
    return str(value) if kind == "uuid" else value


def test_the_same_seed_makes_the_same_files_and_another_seed_others() -> None:
    def content(seed: int) -> bytes:
        with shop_files(Shop(seed, _SCALE), lambda done: None) as files:
            return b"".join(files.path(table.name).read_bytes() for table in TABLES)

    assert content(1) == content(1)
    assert content(1) != content(2)


def test_both_servers_hold_the_same_rows(postgres: TestPostgres, mariadb: TestMariaDb) -> None:
    in_postgres, in_mariadb = postgres.shop(_SCALE), mariadb.shop(_SCALE)

    for table in TABLES:
        assert rows_of(postgres, in_postgres, table) == rows_of(mariadb, in_mariadb, table), table.name


def test_awkward_texts_arrive_as_they_were_made(database_server: TestServer) -> None:
    shop = database_server.shop(0.005)

    notes = {note for (note,) in query(database_server, shop.database, "select note from orders")}

    assert notes >= {None, *words.AWKWARD}


def test_an_orders_total_is_the_sum_of_its_items_to_the_last_unit(database_server: TestServer) -> None:
    digits = dict(words.CURRENCIES)
    shop = database_server.shop(_SCALE)
    statement = """
        select o.currency, o.total_amount, o.total_amount_minor, sum(i.quantity * i.unit_price_amount)
        from orders o join order_items i on i.order_id = o.order_id group by o.order_id, o.currency, o.total_amount,
        o.total_amount_minor
    """

    found = query(database_server, shop.database, statement)

    assert len(found) == Shop(1, _SCALE).counts["orders"]
    assert {currency for currency, *_ in found} == set(digits)
    for currency, total, minor, items in found:
        assert total == items == Decimal(money(minor, digits[currency]))


def test_local_times_are_the_same_moments_on_the_clocks_of_their_zones(database_server: TestServer) -> None:
    shop = database_server.shop(_SCALE)

    found = query(database_server, shop.database, "select time_zone, ordered_local_at, ordered_at from orders")

    assert {zone for zone, *_ in found} == set(words.ZONES)
    for zone, on_the_wall, at in found:
        moment: datetime = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == on_the_wall


def test_every_table_has_its_primary_key_and_its_references(database_server: TestServer) -> None:
    shop = database_server.shop(_SCALE)
    schema = "public" if shop.scheme == "postgresql" else shop.database
    statement = f"""
        select table_name, constraint_type, count(*) from information_schema.table_constraints
        where table_schema = '{schema}' and constraint_type in ('PRIMARY KEY', 'FOREIGN KEY')
        group by table_name, constraint_type
    """

    found = {(table, kind): count for table, kind, count in query(database_server, shop.database, statement)}

    keys = {(table.name, "PRIMARY KEY"): 1 for table in TABLES}
    references = {(table.name, "FOREIGN KEY"): len(table.references) for table in TABLES if table.references}
    assert found == keys | references


def test_the_food_orders_have_exactly_the_columns_that_their_readers_expect(database_server: TestServer) -> None:
    shop = database_server.shop(_SCALE)
    schema = "public" if shop.scheme == "postgresql" else shop.database
    statement = f"""
        select column_name from information_schema.columns
        where table_name = 'food_orders' and table_schema = '{schema}' order by ordinal_position
    """

    found = query(database_server, shop.database, statement)

    expected = ["order_id", "customer_name", "restaurant_name", "item", "amount", "order_status", "created_at"]
    assert [name for (name,) in found] == expected


def test_a_shop_that_is_there_is_kept_as_it_was_changed(database_server: TestServer) -> None:
    shop = database_server.shop(_SCALE)
    with database_server.connect(shop.database) as connection, connection.cursor() as cursor:
        cursor.execute("update users set country = 'XX' where user_id = 1")

    ensure_shop([database_server.facts], name=shop.database)

    assert query(database_server, shop.database, "select country from users where user_id = 1") == [("XX",)]


def test_another_scale_for_a_shop_that_is_there_is_refused(database_server: TestServer) -> None:
    shop = database_server.shop(_SCALE)

    with pytest.raises(UsageError, match=r"made from seed 1 and scale 0\.002.*frazil stack down --remove"):
        ensure_shop([database_server.facts], 0.5, name=shop.database)


def test_somebody_elses_database_of_that_name_is_not_touched(database_server: TestServer) -> None:
    other = database_server.database()

    with pytest.raises(UsageError, match="was not made by `frazil stack`"):
        ensure_shop([database_server.facts], _SCALE, name=other.database)

    schema = "public" if other.scheme == "postgresql" else other.database
    tables = f"select count(*) from information_schema.tables where table_schema = '{schema}'"
    assert query(database_server, other.database, tables) == [(0,)]


def loading(facts: Facts, name: str) -> "subprocess.Popen[str]":
    """A process that makes the shop `name`; it has begun when it is returned."""
    program = (
        "import sys; from ingestion.stack import Facts; from ingestion.stack.shop.load import ensure_shop\n"
        "print('begun', flush=True)\n"
        f"ensure_shop([Facts(*sys.argv[1:3], int(sys.argv[3]), *sys.argv[4:])], 0.01, name={name!r})"
    )
    told = [facts.scheme, facts.host, str(facts.port), facts.user, facts.database, facts.password]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *told],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def is_whole(server: TestServer, name: str) -> bool:
    counts = Shop(1, 0.01).counts
    return all(query(server, name, f"select count(*) from {table}") == [(count,)] for table, count in counts.items())


@pytest.mark.parametrize("after_seconds", [0.05, 0.3, 0.6])
def test_a_load_that_was_killed_is_begun_again(database_server: TestServer, after_seconds: float) -> None:
    name = f"killed_{int(after_seconds * 100)}"
    process = loading(database_server.facts, name)
    time.sleep(after_seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    ensure_shop([database_server.facts], 0.01, name=name)

    assert is_whole(database_server, name)


def test_a_load_that_was_killed_just_before_its_end_is_begun_again(database_server: TestServer) -> None:
    name = "nearly"
    ensure_shop([database_server.facts], 0.01, name=name)
    if database_server.facts.scheme == "postgresql":
        unfinished = f"alter database {name} rename to {name}_loading"
    else:
        unfinished = f"alter database {name} comment 'shop: loading'"
    with database_server.connect(database_server.facts.database) as connection, connection.cursor() as cursor:
        cursor.execute(unfinished)

    ensure_shop([database_server.facts], 0.01, name=name)

    assert is_whole(database_server, name)


def test_processes_that_make_one_shop_at_once_wait_for_each_other(database_server: TestServer) -> None:
    processes = [loading(database_server.facts, "shared") for _ in range(3)]

    ends = [process.wait(120) for process in processes]

    assert ends == [0, 0, 0]
    assert is_whole(database_server, "shared")
