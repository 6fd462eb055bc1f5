"""A load: every row of the source in raw once, complete copies and nothing else known as complete."""

import os
import threading

import pytest

from ingestion.bulk.load import Load, Options
from ingestion.bulk.marks import marks_of
from ingestion.bulk.progress import Board
from ingestion.bulk.state import RUNS, State
from ingestion.errors import RetryableError, UsageError
from ingestion.lease import lease
from tests.integration.bulk.lab import Lab
from tests.support.loads import stopped_load

COLUMNS = ("id", "note", "amount", "qty")


def test_every_row_is_in_raw_once_with_the_platforms_columns(lab: Lab) -> None:
    lab.orders(6000)
    lab.sql("create table nothing (id bigint primary key)", "create table logs (line integer)")
    lab.sql("insert into logs values (1), (1), (null), (2)")

    found = lab.load()

    assert {name: (one.status, one.rows) for name, one in found.items()} == {
        "orders": ("loaded", 6000),
        "nothing": ("loaded", 0),
        "logs": ("loaded", 4),
    }
    assert found["orders"].chunks > 1
    assert found["orders"].consistency == "snapshot"
    lab.assert_equal_to_source("orders", *COLUMNS)
    lab.assert_equal_to_source("logs", "line")
    rows = lab.rows("orders")
    assert set(rows["_op"].to_pylist()) == {"r"}
    assert set(rows["_load_type"].to_pylist()) == {"batch"}
    assert set(rows["_position"].to_pylist()) == {f"{found['orders'].position}.0000000000"}
    assert set(rows["_run_id"].to_pylist()) == {found["orders"].run_id}
    assert all(one.is_equal and one.basis == "load" for one in lab.checked())


def test_a_complete_table_is_not_loaded_again_unless_another_copy_is_wanted(lab: Lab) -> None:
    lab.orders(500)
    first = lab.load()["orders"]
    lab.sql("delete from orders where id = 7", "update orders set note = 'later' where id = 8")

    again = lab.load()["orders"]
    copy = lab.load(is_resumed=False)["orders"]

    assert (again.status, again.run_id) == ("complete", first.run_id)
    assert (copy.status, copy.rows) == ("loaded", 499)
    assert copy.run_id != first.run_id
    assert first.run_id is not None
    assert lab.rows("orders", first.run_id).num_rows == 500
    lab.assert_equal_to_source("orders", *COLUMNS)
    runs = lab.catalog.load_table(RUNS).scan().to_arrow().sort_by("completed_at")
    assert runs["_run_id"].to_pylist() == [first.run_id, copy.run_id]


def test_status_and_runs_are_made_again_from_the_raw_tables(lab: Lab) -> None:
    lab.orders(500)
    lab.load()
    state = State(lab.catalog, lab.settings.home_dir)
    before = [{**row, "updated_at": None, "attempts": None} for row in state.statuses("lab")]
    runs = lab.catalog.load_table(RUNS).scan().to_arrow()["_run_id"].to_pylist()
    lab.catalog.drop_table("metadata.cdc_status")
    lab.catalog.drop_table(RUNS)

    state.rebuild()

    after = [{**row, "updated_at": None, "attempts": None} for row in state.statuses("lab")]
    assert after == before
    assert lab.catalog.load_table(RUNS).scan().to_arrow()["_run_id"].to_pylist() == runs


def test_a_load_that_is_told_to_stop_is_gone_on_with_chunk_by_chunk(lab: Lab) -> None:
    lab.orders(6000)
    stopped = lab.stopped()
    lab.sql("update orders set note = 'later' where id in (1, 6000)")
    finished = lab.load()["orders"]

    assert stopped.status == "interrupted"
    assert 0 < stopped.chunks < finished.chunks
    assert stopped.resume == f"frazil bulk load lab --tables {stopped.source_table}"
    assert (finished.status, finished.run_id, finished.rows) == ("loaded", stopped.run_id, 6000)
    assert finished.consistency == "per_chunk"
    notes = dict(zip(*(lab.rows("orders")[name].to_pylist() for name in ("id", "note")), strict=True))
    assert (notes[1] == "later", notes[6000]) == (False, "later")
    assert all(one.is_equal for one in lab.checked())


def test_a_stopped_table_without_a_key_starts_over_and_its_first_rows_are_no_copy(lab: Lab) -> None:
    lab.sql("create table logs (line integer, note varchar(200))")
    lab.sql(f"insert into logs select qty, note from ({lab.series(20000)}) as made")
    lab.analyze("logs")
    work = Load(lab.settings, lab.source, Options(parallel_tables=1))
    read = threading.Event()

    class Stopping(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if len(marks_of(lab.catalog.load_table(table))) and not read.is_set():
                read.set()
                work.stop.set()

    with Stopping() as board:
        (stopped,) = work.run(board)
    if stopped.status == "loaded":
        pytest.skip("this dialect reads a table without a key as one chunk: nothing can be half loaded")
    finished = lab.load()["logs"]

    assert finished.run_id != stopped.run_id
    assert finished.rows == lab.rows("logs").num_rows == 20000
    assert list(marks_of(lab.catalog.load_table("raw.lab_logs"))) == [finished.run_id]


def test_a_table_whose_columns_changed_is_not_gone_on_with(lab: Lab) -> None:
    lab.orders(6000)
    stopped = stopped_load(lab.settings, lab.source, parallel_tables=1)
    lab.sql("alter table orders add column colour varchar(10) default 'blue'")
    finished = lab.load()["orders"]

    assert stopped.chunks > 0
    assert finished.run_id != stopped.run_id
    assert set(lab.rows("orders")["colour"].to_pylist()) == {"blue"}
    lab.assert_equal_to_source("orders", *COLUMNS, "colour")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tables": ("ordres",)}, "no table ordres; near names: orders"),
        ({"table_filter": "S_%"}, "no table is like 'S_%'"),
    ],
)
def test_an_unknown_table_or_an_empty_filter_is_said_before_anything_is_read(
    lab: Lab, options: dict[str, object], words: str
) -> None:
    lab.orders(1)

    with pytest.raises(UsageError, match=words):
        lab.load(**options)

    assert lab.catalog.list_tables("raw") == []


def test_a_filter_takes_tables_in_sqls_words(lab: Lab) -> None:
    lab.sql("create table s_one (id integer)", "create table sxtwo (id integer)", "create table logs (id integer)")

    found = lab.load(table_filter="s_%")

    assert sorted(found) == ["s_one", "sxtwo"]


def test_a_table_that_another_process_loads_is_left_to_it(lab: Lab) -> None:
    lab.orders(10)
    lab.sql("create table users (id integer primary key)")
    path = lab.settings.home_dir / "bulk" / "raw.lab_orders.lock"

    with lease(path, RetryableError):
        found = lab.load()

    assert (found["orders"].status, found["users"].status) == ("busy", "loaded")
    assert f"is being loaded by process {os.getpid()}: skipped" in (found["orders"].error or "")
    assert lab.load()["orders"].status == "loaded"
