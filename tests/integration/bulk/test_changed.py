"""What others do to the tables while they are loaded: an error that says so, or the right rows."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from tests.integration.bulk.lab import Lab

COLUMNS = ("id", "note", "amount", "qty")
ADD_COLOUR = "alter table orders add column colour varchar(10) default 'blue'"


def loaded_after(lab: Lab, change: Callable[[], Any], *, looks: int = 2, **options: Any) -> Any:
    """Load with `change` made after so many looks at the source's columns; the outcome of `orders`.

    After two, that is between the last look and the first read; after one, before the snapshot.
    """
    work = Load(lab.settings, lab.source, Options(**options))
    dialect, plain = work._dialect, work._dialect.tables
    seen: list[Any] = []

    def tables(*words: Any) -> Any:
        found = plain(*words)
        seen.append(found)
        if len(seen) == looks:
            change()
        return found

    dialect.tables = tables  # type: ignore[method-assign, assignment]
    try:
        with Board() as board:
            return {one.source_table.split(".")[-1]: one for one in work.run(board)}["orders"]
    finally:
        del dialect.tables


@pytest.mark.parametrize(
    "change",
    [
        "alter table orders alter column qty type bigint",
        "truncate table orders",
        "alter table orders add column serial_number bigserial",
    ],
)
def test_a_table_written_anew_after_the_snapshot_is_read_in_a_new_one(pg: Lab, change: str) -> None:
    pg.orders(3000)

    outcome = loaded_after(pg, lambda: pg.sql(change))

    assert outcome.status == "loaded" or "changed" in outcome.error
    if outcome.status == "loaded":
        pg.assert_equal_to_source("orders", *COLUMNS)


def test_a_dropped_table_fails_by_name_and_the_others_go_on(lab: Lab) -> None:
    lab.orders(3000)
    lab.sql("create table users (id bigint primary key)", "insert into users values (1)")

    outcome = loaded_after(lab, lambda: lab.sql("drop table orders"))

    assert outcome.status == "failed"
    assert "orders" in outcome.error
    assert outcome.resume.startswith("frazil bulk load lab --tables ")
    assert lab.rows("users").num_rows == 1
    assert not lab.catalog.table_exists("raw.lab_orders") or not lab.catalog.load_table("raw.lab_orders").snapshots()


def test_a_dropped_column_fails_by_name(lab: Lab) -> None:
    lab.orders(3000)

    outcome = loaded_after(lab, lambda: lab.sql("alter table orders drop column note"))

    assert outcome.status == "failed"
    assert lab.catalog.load_table("raw.lab_orders").scan().count() == 0


def test_a_column_added_before_the_snapshot_is_in_the_copy(lab: Lab) -> None:
    lab.orders(3000)

    outcome = loaded_after(lab, lambda: lab.sql(ADD_COLOUR), looks=1)

    assert outcome.status == "loaded", outcome.error
    assert set(lab.rows("orders")["colour"].to_pylist()) == {"blue"}
    lab.assert_equal_to_source("orders", *COLUMNS, "colour")


def test_a_column_added_after_a_cut_stops_the_copy_and_the_next_load_has_it(lab: Lab) -> None:
    lab.orders(12_000)

    cut = threading.Event()

    class Cutting(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if not cut.is_set() and self._tables[table].rows > 4000:
                cut.set()
                lab.cut()
                lab.sql(ADD_COLOUR)

    with Cutting() as board:
        (stopped,) = Load(lab.settings, lab.source, Options(parallel_tables=1)).run(board)
    loaded = lab.load()["orders"]

    assert cut.is_set()
    assert stopped.status == "failed"
    assert "its columns changed after the load began; run the command again" in (stopped.error or "")
    assert (loaded.status, loaded.run_id != stopped.run_id) == ("loaded", True)
    assert set(lab.rows("orders")["colour"].to_pylist()) == {"blue"}
    lab.assert_equal_to_source("orders", *COLUMNS, "colour")
