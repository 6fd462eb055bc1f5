"""`frazil bulk check|discover|plan` against real servers, as a user types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingestion.cli import cli
from ingestion.errors import FrazilError
from ingestion.stack import Facts
from tests.support.databases import TestMariaDb, TestPostgres

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def shop(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> Facts:
    """An empty PostgreSQL database that the source `shop` means."""
    facts = postgres.database()
    _point(monkeypatch, "SHOP_POSTGRES", facts)
    return facts


@pytest.fixture
def shopmaria(mariadb: TestMariaDb, monkeypatch: pytest.MonkeyPatch) -> Facts:
    """An empty MariaDB database that the source `shopmaria` means."""
    facts = mariadb.database()
    _point(monkeypatch, "SHOP_MARIADB", facts)
    return facts


def _point(monkeypatch: pytest.MonkeyPatch, prefix: str, facts: Facts) -> None:
    for name in ("host", "port", "database", "user", "password"):
        monkeypatch.setenv(f"{prefix}_{name.upper()}", str(getattr(facts, name)))


def bulk(*words: str) -> Result:
    return CliRunner().invoke(cli, ["bulk", *words])


def error_of(result: Result) -> str:
    assert isinstance(result.exception, FrazilError), result.output
    return str(result.exception)


def test_check_passes_a_good_source_and_names_keyless_tables(postgres: TestPostgres, shop: Facts) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute("create table notes (text text)")
        connection.execute("create view seen as select * from notes")

    result = bulk("check", "shop", "--json")

    found = {(one["check"], one["level"]): one for one in json.loads(result.stdout)}
    assert ("catalog", "pass") in found
    assert ("wal_level", "pass") in found
    assert "public.notes" in found["keys", "warn"]["message"]
    assert "alter table" in found["replica identity", "fail"]["fix"]
    assert "public.seen: a view" in found["left out", "pass"]["message"]
    assert result.exit_code == 1


def test_check_says_what_to_grant(postgres: TestPostgres, shop: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute("create table orders (id int primary key)")
        connection.execute("drop role if exists poor")
        connection.execute("create role poor login password 'poor'")
    monkeypatch.setenv("SHOP_POSTGRES_USER", "poor")
    monkeypatch.setenv("SHOP_POSTGRES_PASSWORD", "poor")

    result = bulk("check", "shop", "--json")

    fixes = {one["check"]: one["fix"] for one in json.loads(result.stdout) if one["level"] == "fail"}
    assert result.exit_code == 1
    assert "grant select" in fixes["privileges"]
    assert "alter role poor replication" in fixes["replication"]


def test_check_of_mariadb_looks_at_its_binary_log(mariadb: TestMariaDb, shopmaria: Facts) -> None:
    with mariadb.connect(shopmaria.database) as connection, connection.cursor() as cursor:
        cursor.execute("create table orders (id int primary key, day date)")

    result = bulk("check", "shopmaria", "--json")

    levels = {one["check"]: one["level"] for one in json.loads(result.stdout)}
    assert result.exit_code == 0, result.stdout
    assert {levels["binlog_format"], levels["binlog_row_image"], levels["snapshot"]} == {"pass"}


def test_discover_names_keys_types_and_what_is_left_out(postgres: TestPostgres, shop: Facts) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute("create table users (id int primary key)")
        connection.execute('create table "Odd ""Orders" (a int, b text, user_id int references users, amount numeric)')
        connection.execute('alter table "Odd ""Orders" add primary key (b, a)')
        connection.execute("create view seen as select 1 as one")

    document = json.loads(bulk("discover", "shop", "--json").stdout)

    odd = next(one for one in document["tables"] if one["table"] == 'public.Odd "Orders')
    assert odd["raw"] == "raw.shop_odd__orders"
    assert odd["key"] == ["b", "a"]
    assert odd["foreign_keys"] == [{"columns": ["user_id"], "table": "public.users", "refers": ["id"]}]
    amount = next(one for one in odd["columns"] if one["column"] == "amount")
    assert (amount["raw_type"], amount["note"]) == ("string", "numeric without precision as exact text")
    assert "a view" in document["left_out"]["public.seen"]


def test_plan_splits_a_table_and_filters_by_name(postgres: TestPostgres, shop: Facts) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute("create table s_orders (id int primary key)")
        connection.execute("create table t_orders (id int primary key)")

    document = json.loads(bulk("plan", "shop", "--table-filter", "s_%", "--json").stdout)

    assert [one["raw"] for one in document["tables"]] == ["raw.shop_s_orders"]
    assert [one["predicate"] for one in document["tables"][0]["chunks"]] == [""]


def test_two_tables_with_one_raw_name_are_refused_by_name(postgres: TestPostgres, shop: Facts) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute('create table "Orders" (id int primary key)')
        connection.execute("create table orders (id int primary key)")

    result = bulk("discover", "shop")

    assert "public.Orders and public.orders would both be raw.shop_orders" in error_of(result)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SHOP_POSTGRES_PASSWORD", "wrong", "refuses user"),
        ("SHOP_POSTGRES_DATABASE", "nowhere", "has no database 'nowhere'"),
        ("SHOP_POSTGRES_HOST", "no-such-host.invalid", "is unknown"),
        ("SHOP_POSTGRES_PORT", "1", "connection refused"),
    ],
)
def test_a_wrong_address_of_postgresql_is_one_line(
    shop: Facts, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)

    message = error_of(bulk("plan", "shop"))

    assert said in message
    assert len(message.splitlines()) == 1
    assert shop.password not in message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SHOP_MARIADB_PASSWORD", "wrong", "refuses user"),
        ("SHOP_MARIADB_DATABASE", "nowhere", "has no database 'nowhere'"),
        ("SHOP_MARIADB_HOST", "no-such-host.invalid", "is unknown"),
        ("SHOP_MARIADB_PORT", "1", "cannot be reached"),
    ],
)
def test_a_wrong_address_of_mariadb_is_one_line(
    shopmaria: Facts, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)

    message = error_of(bulk("plan", "shopmaria"))

    assert said in message
    assert len(message.splitlines()) == 1
    assert shopmaria.password not in message


def test_a_source_without_tables_says_where_to_look(shop: Facts, home: Path) -> None:
    assert "no table to read in schema public" in error_of(bulk("plan", "shop"))
