"""Followed tables are proven while they change, and repaired where the log never told what is in the source."""

import time
from collections.abc import Callable
from typing import Any

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.reconcile import Checked
from ingestion.cdc.proof import check_followed
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.integration.cdc.test_handoff import load
from tests.support.debezium import Followed

Maker = Callable[..., tuple[Followed, Any]]


def _checked(settings: Settings, found: Followed, during: Callable[[], object] = lambda: None) -> dict[str, Checked]:
    """Of each table; `during` runs once the snapshot is open, and again whenever the proof waits for the sink."""
    dialect, catalog = by_name(found.source.dialect), open_catalog(settings)
    results = {}
    tables = dialect.tables(found.source)
    deadline = time.monotonic() + 60
    while not all(catalog.table_exists(table.raw_name) for table in tables) and time.monotonic() < deadline:
        found.drain(settings)
    with dialect.snapshot(found.source, 1) as snapshot, snapshot.reader() as reader:
        during()
        for table in tables:
            until = time.monotonic() + 20
            results[table.name] = check_followed(
                catalog, found.source, reader, snapshot.position, table, until, lambda _: _drained(found, settings)
            )
    catalog.close()
    return results


def _drained(found: Followed, settings: Settings) -> None:
    found.drain(settings)


def test_a_table_that_changes_meanwhile_is_equal_at_the_snapshot(followed_postgres: Maker, settings: Settings) -> None:
    found, connection = followed_postgres(
        "create table items (id int primary key, note text, at timestamptz default now())",
        "create table bag (a int, b text)",
        "alter table bag replica identity full",
    )
    connection.execute(b"insert into items select n, 'x' || n from generate_series(1, 500) n")
    connection.execute(b"insert into bag select n % 3, 'x' from generate_series(1, 30) n")
    connection.execute(b"update items set note = 'y' where id % 7 = 0")
    connection.execute(b"delete from items where id % 11 = 0")
    connection.execute(b"delete from bag where ctid in (select ctid from bag limit 4)")
    connection.execute(b"update bag set b = 'z' where a = 1")

    def change() -> None:
        connection.execute(b"update items set note = 'later' where id < 50")
        connection.execute(b"insert into bag values (9, 'later')")

    checked = _checked(settings, found, change)

    assert {name: one.is_equal for name, one in checked.items()} == {"items": True, "bag": True}
    assert checked["items"].source is not None
    assert checked["items"].source.rows == 455


def test_what_a_default_filled_is_found_and_repaired_by_a_copy(followed_postgres: Maker, settings: Settings) -> None:
    found, connection = followed_postgres("create table items (id int primary key, note text)")
    connection.execute(b"insert into items values (1, 'a'), (2, 'b')")
    assert _checked(settings, found)["items"].is_equal
    connection.execute(b"alter table items add column state text default 'new'")
    connection.execute(b"insert into items values (3, 'c', 'old')")

    before = _checked(settings, found)["items"]
    load(settings, found)
    after = _checked(settings, found)["items"]

    assert not before.is_equal
    assert [(one.key, one.what) for one in before.differences] == [(("1",), "differs"), (("2",), "differs")]
    assert after.is_equal
