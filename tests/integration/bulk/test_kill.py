"""Loads killed at random, connections cut, servers gone: no row is lost, doubled or half visible."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingestion.bulk.load import Load, Options
from ingestion.bulk.marks import marks_of
from ingestion.bulk.progress import Board
from ingestion.bulk.table_load import Outcome, SharedView, TableLoad
from ingestion.settings import PROJECT_ROOT, Settings
from tests.integration.bulk.lab import Lab
from tests.integration.bulk.test_consistency import job

COLUMNS = ("id", "note", "amount", "qty")
CUT_ALL = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity "
    "where application_name = 'frazil' and datname = current_database() and pid <> pg_backend_pid()"
)


def kill_loads(lab: Lab, rounds: int, seed: int) -> None:
    """Kill loads until the tables are complete, each copy made anew `rounds` times at most."""
    words = [sys.executable, "-m", "tests.integration.bulk.killing", str(rounds), str(seed)]
    subprocess.run(words, cwd=PROJECT_ROOT, check=True, capture_output=True)


def assert_right(lab: Lab) -> None:
    lab.assert_equal_to_source("orders", *COLUMNS)
    lab.assert_equal_to_source("logs", "line", "note")
    checked = lab.checked() + lab.checked(is_now=True)
    assert [one for one in checked if not one.is_equal] == []


def prepared(lab: Lab, rows: int) -> None:
    lab.orders(rows)
    lab.sql("create table logs (line bigint, note varchar(200))")
    lab.sql(f"insert into logs select id, note from ({lab.series(rows // 4)}) as made")


def test_loads_killed_at_random_lose_and_repeat_nothing(lab: Lab) -> None:
    prepared(lab, 12_000)

    kill_loads(lab, 6, seed=1)
    copies = marks_of(lab.catalog.load_table("raw.lab_orders"))
    lab.load()

    assert any(len(mark.done) > 0 for mark in copies.values()), "no killed load committed anything"
    assert_right(lab)


@pytest.mark.stress
@pytest.mark.parametrize("seed", [2, 3])
def test_many_loads_killed_at_random_lose_and_repeat_nothing(lab: Lab, seed: int) -> None:
    prepared(lab, 40_000)
    started = 0
    for number in range(10):
        kill_loads(lab, 6, seed=seed * 100 + number)
        started += len(lab.load(is_resumed=number % 2 == 0))
        assert_right(lab)
    assert started == 20


def test_a_cut_connection_is_replaced_and_nothing_is_doubled(pg: Lab) -> None:
    pg.orders(20_000)
    cuts: list[Any] = []
    one_at_a_time = threading.Lock()

    class Cutting(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            with one_at_a_time:
                if rows > 0 and len(cuts) < 2 and self._tables[table].rows > 4000 * (1 + len(cuts)):
                    cuts.append(pg.sql(CUT_ALL))

    outcome = loaded_with(pg, Cutting())

    assert len(cuts) == 2
    assert outcome.status == "loaded", outcome.error
    assert outcome.attempts >= 2
    assert outcome.consistency == "per_chunk"
    pg.assert_equal_to_source("orders", *COLUMNS)
    assert all(one.is_equal for one in pg.checked())


def test_a_reader_that_is_lost_alone_keeps_the_loads_snapshot(pg: Lab) -> None:
    pg.orders(20_000)
    cut = threading.Event()

    class Cutting(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if not cut.is_set() and self._tables[table].rows > 4000:
                cut.set()
                pg.sql("insert into orders values (0, 'after the snapshot', 1, 1)")
                pg.sql(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like '%copy %' "
                    "and application_name = 'frazil' and datname = current_database() and pid <> pg_backend_pid()"
                )

    outcome = loaded_with(pg, Cutting())

    assert (outcome.status, outcome.consistency) == ("loaded", "snapshot")
    assert outcome.attempts >= 2
    assert outcome.rows == 20_000


def loaded_with(lab: Lab, board: Board) -> Any:
    with board:
        (outcome,) = Load(lab.settings, lab.source, Options(parallel_tables=2)).run(board)
    return outcome


def test_two_loads_of_one_copy_that_do_not_see_each_others_lease_load_each_chunk_once(lab: Lab, tmp_path: Path) -> None:
    lab.orders(12_000)
    work = Load(lab.settings, lab.source, Options(parallel_tables=1))

    class Stopping(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if self._tables[table].rows > 2500:
                work.stop.set()

    with Stopping() as board:
        (stopped,) = work.run(board)
    (table,) = lab.tables().values()

    def load(home: Path) -> Outcome:
        own = replace(job(lab), settings=Settings(home=home, config_dir=lab.settings.config_dir))
        with lab.dialect.snapshot(lab.source, 2) as snapshot:
            return TableLoad(own, table).run(SharedView(snapshot))

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(load, [tmp_path / "one", tmp_path / "two"]))

    assert stopped.status == "interrupted"
    assert {one.status for one in outcomes} <= {"loaded", "complete"}, outcomes
    assert {one.run_id for one in outcomes} == {stopped.run_id}
    lab.assert_equal_to_source("orders", *COLUMNS)
    tasks = lab.catalog.load_table(table.raw_name).scan().plan_files()
    files = {task.file.file_path.removeprefix("file://") for task in tasks}
    kept = (lab.settings.home_dir / "warehouse" / "raw" / "lab_orders").rglob("*.parquet")
    assert {str(path) for path in kept} == files
