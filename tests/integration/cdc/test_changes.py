"""What a followed table goes through: every kind of change, transactions in any order, columns that come and go."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.cdc.envelope import PLACEHOLDER
from ingestion.errors import ContractError
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.debezium import Followed

Maker = Callable[..., tuple[Followed, Any]]
ITEMS = "create table items (id int primary key, name text, body text)"


def _rows(settings: Settings, found: Followed, table: str = "items") -> list[dict[str, Any]]:
    """In the source's order."""
    catalog = open_catalog(settings)
    name = f"raw.{found.source.name}_{table}"
    rows = catalog.load_table(name).scan().to_arrow().to_pylist() if catalog.table_exists(name) else []
    catalog.close()
    return sorted(rows, key=lambda row: row["_position"])


def _drained(settings: Settings, found: Followed, count: int, table: str = "items") -> list[dict[str, Any]]:
    """The rows once there are so many."""
    deadline = time.monotonic() + 60
    rows: list[dict[str, Any]] = []
    while len(rows) < count:
        assert time.monotonic() < deadline, f"{len(rows)} rows instead of {count}: {rows}"
        found.drain(settings)
        rows = _rows(settings, found, table)
    assert len(rows) == count
    return rows


def test_every_kind_of_change_is_in_raw_in_the_order_of_its_commit(
    followed_postgres: Maker, postgres: Any, settings: Settings
) -> None:
    found, connection = followed_postgres(ITEMS, "alter table items alter body set storage external")
    connection.execute(b"insert into items values (1, 'a', repeat('x', 5000))")
    with postgres.connect(found.source.database) as early, postgres.connect(found.source.database) as late:
        early.autocommit = late.autocommit = False
        early.execute(b"insert into items values (10, 'first to write', null)")
        late.execute(b"insert into items values (20, 'first to commit', null)")
        early.execute(b"insert into items values (11, 'last', null)")
        late.commit()
        early.commit()
        late.execute(b"insert into items values (99, 'never committed', null)")
        late.rollback()
    connection.execute(b"update items set name = 'b' where id = 1")
    connection.execute(b"update items set id = 100 where id = 1")
    connection.execute(b"delete from items where id = 20")
    connection.execute(b"truncate items")

    rows = _drained(settings, found, 9)

    assert [(row["_op"], row["id"], row["name"]) for row in rows] == [
        ("c", 1, "a"),
        ("c", 20, "first to commit"),
        ("c", 10, "first to write"),
        ("c", 11, "last"),
        ("u", 1, "b"),
        ("d", 1, None),
        ("c", 100, "b"),
        ("d", 20, None),
        ("t", None, None),
    ]
    assert rows[4]["body"] is None
    assert rows[4]["_raw_overflow"] == [("body", PLACEHOLDER)]
    assert len({row["_event_id"] for row in rows}) == 9
    assert {row["_load_type"] for row in rows} == {"cdc"}


def test_a_table_without_a_key_keeps_old_and_new_rows(followed_postgres: Maker, settings: Settings) -> None:
    found, connection = followed_postgres(
        "create table items (a int, b text)", "alter table items replica identity full"
    )
    connection.execute(b"insert into items values (1, 'x'), (1, 'x')")
    connection.execute(b"update items set b = 'y' where ctid = (select min(ctid) from items)")
    connection.execute(b"delete from items where b = 'x'")

    rows = _drained(settings, found, 5)

    pairs = sorted((row["_op"], row["a"], row["b"]) for row in rows)
    assert pairs == [("c", 1, "x"), ("c", 1, "x"), ("d", 1, "x"), ("d", 1, "x"), ("u", 1, "y")]


def test_columns_that_come_go_and_widen_are_recorded_before_their_rows(
    followed_postgres: Maker, settings: Settings
) -> None:
    found, connection = followed_postgres("create table items (id int primary key, n int, old text)")
    connection.execute(b"insert into items values (1, 1, 'o')")
    _drained(settings, found, 1)

    connection.execute(b"alter table items add column extra numeric(10,2), alter column n type bigint")
    connection.execute(b"insert into items values (2, 5000000000, 'o', 1.50)")
    _drained(settings, found, 2)
    connection.execute(b"alter table items drop column old")
    connection.execute(b"alter table items rename column extra to more")
    connection.execute(b"insert into items values (3, 3, 2.50)")
    rows = _drained(settings, found, 3)

    shown = [(row["id"], row["n"], row["old"], str(row["extra"]), str(row["more"])) for row in rows]
    assert shown == [
        (1, 1, "o", "None", "None"),
        (2, 5000000000, "o", "1.50", "None"),
        (3, 3, None, "None", "2.50"),
    ]
    catalog = open_catalog(settings)
    told = catalog.load_table("metadata.schema_changes").scan().to_arrow().to_pylist()
    changed = {(row["change_type"], row["column_name"]) for row in told}
    assert changed == {
        ("baseline", None),
        ("column_added", "extra"),
        ("type_changed", "n"),
        ("column_removed", "old"),
        ("column_removed", "extra"),
        ("column_added", "more"),
    }
    first_with = {row["column_name"]: row["change_timestamp"] for row in told}
    assert first_with["more"] < rows[2]["_loaded_at"]


@pytest.mark.parametrize("contract", ["freeze", "discard_row", "discard_value"])
def test_a_contract_decides_what_a_new_column_does(followed_postgres: Maker, settings: Settings, contract: str) -> None:
    found, connection = followed_postgres(ITEMS, "create table others (id int primary key)", contract=contract)
    connection.execute(b"insert into items values (1, 'a', null)")
    _drained(settings, found, 1)
    connection.execute(b"alter table items add column extra int")
    connection.execute(b"insert into items values (2, 'b', null, 7)")
    connection.execute(b"insert into others values (5)")

    if contract == "freeze":
        refusal = r"frozen and its source changed: column extra"
        with pytest.raises(ContractError, match=refusal):
            _drained(settings, found, 2)
        while not _rows(settings, found, "others"):  # its event comes after the refused one's; the drain refuses again
            with pytest.raises(ContractError, match=refusal):
                found.drain(settings)
        assert [row["id"] for row in _rows(settings, found, "others")] == [5]
        assert len(_rows(settings, found)) == 1
    elif contract == "discard_value":
        rows = _drained(settings, found, 2)
        assert "extra" not in rows[1]
        assert rows[1]["_raw_overflow"] is None
    else:
        _drained(settings, found, 1, "others")
        assert len(_rows(settings, found)) == 1
        catalog = open_catalog(settings)
        [kept] = catalog.load_table("metadata.quarantine").scan().to_arrow().to_pylist()
        assert (kept["reason"], kept["topic"]) == ("contract", f"{found.source.name}.public.items")


def test_tables_made_on_the_way_are_published_by_the_sink_and_followed(
    followed_postgres: Maker, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    found, connection = followed_postgres(ITEMS)
    connection.execute(b"insert into items values (1, 'a', null)")
    _drained(settings, found, 1)
    connection.execute(b"create table fresh (id int primary key, v text)")
    connection.execute(b"create table filled (id int primary key)")
    connection.execute(b"insert into filled values (1)")
    connection.execute(b"create table loose (a int)")

    found.drain(settings)
    connection.execute(b"insert into fresh values (1, 'a')")
    connection.execute(b"insert into filled values (2)")
    connection.execute(b"insert into loose values (1)")
    connection.execute(b"update loose set a = 2")  # would be refused if it were published without an identity
    rows = _drained(settings, found, 1, "fresh")
    late = _drained(settings, found, 1, "filled")

    assert [(row["id"], row["v"]) for row in rows] == [(1, "a")]
    assert [row["id"] for row in late] == [2]
    told = {(one.getMessage(), getattr(one, "table", ""), getattr(one, "next", "")) for one in caplog.records}
    name = found.source.name
    assert ("table_published", "public.fresh", "nothing") in told
    load = f"frazil bulk load {name} --tables public.filled"
    assert ("table_published", "public.filled", f"rows from before are not in the log: {load}") in told
    assert [table for event, table, _ in told if event == "table_not_published"] == ["public.loose"]
    assert _rows(settings, found, "loose") == []


def test_mariadb_s_changes_are_in_raw_in_the_order_of_its_binlog(followed_mariadb: Maker, settings: Settings) -> None:
    found, connection = followed_mariadb("create table items (id int primary key, name varchar(20))")
    with connection.cursor() as cursor:
        cursor.execute("insert into items values (1, 'a'), (2, 'b'), (3, 'c')")
        cursor.execute("update items set name = 'x' where id < 3")
        cursor.execute("update items set id = 30 where id = 3")
        cursor.execute("delete from items where id = 1")
        cursor.execute("truncate table items")

    rows = _drained(settings, found, 9)

    assert [(row["_op"], row["id"], row["name"]) for row in rows] == [
        ("c", 1, "a"),
        ("c", 2, "b"),
        ("c", 3, "c"),
        ("u", 1, "x"),
        ("u", 2, "x"),
        ("d", 3, None),
        ("c", 30, "c"),
        ("d", 1, None),
        ("t", None, None),
    ]
