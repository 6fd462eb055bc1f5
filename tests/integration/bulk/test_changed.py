"""What others do to the tables while they are loaded: an error that says so, or the right rows."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from tests.integration.bulk.lab import Lab

COLUMNS = ("id", "note", "amount", "qty")


def loaded_after(lab: Lab, change: Callable[[], Any], **options: Any) -> Any:
    """Load with `change` made between the snapshot and the first read; the outcome of `orders`."""
    work = Load(lab.settings, lab.source, Options(**options))
    dialect, plain = work._dialect, work._dialect.snapshot
    changed: list[Any] = []

    @contextmanager
    def snapshot(*words: Any) -> Any:
        with plain(*words) as found:
            if not changed:
                changed.append(change())
            yield found

    dialect.snapshot = snapshot  # type: ignore[method-assign, assignment]
    try:
        with Board() as board:
            return {one.source_table.split(".")[-1]: one for one in work.run(board)}["orders"]
    finally:
        del dialect.snapshot


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
