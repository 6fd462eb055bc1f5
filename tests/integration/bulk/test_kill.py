"""Loads killed at random, connections cut, servers gone: no row is lost, doubled or half visible."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.bulk.table_load import Outcome, SharedView, TableLoad
from ingestion.settings import PROJECT_ROOT, Settings
from tests.integration.bulk.killing import Hits
from tests.integration.bulk.lab import Lab
from tests.integration.bulk.test_consistency import job

COLUMNS = ("id", "note", "amount", "qty")


def kill_loads(hits: int, seed: int, engine: str = "copy") -> Hits:
    """Kill loads until so many were hit at work, each copy that ends followed by a new one."""
    words = [sys.executable, "-m", "tests.integration.bulk.killing", str(hits), str(seed), engine]
    done = subprocess.run(words, cwd=PROJECT_ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = Hits(**json.loads(done.stdout))
    assert found.hits >= hits, found
    assert found.partial, found
    return found


def finish(lab: Lab, **options: Any) -> None:
    """Go on with what the kills left. Of a new copy that was killed before its first commit nothing is left: the table
    is complete as it was, and another copy is made."""
    first = lab.load(**options)
    complete = tuple(name for name, one in first.items() if one.status == "complete")
    again = lab.load(is_resumed=False, tables=complete, **options) if complete else {}
    assert {one.status for one in {**first, **again}.values()} == {"loaded"}, (first, again)


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
    first = lab.load()["orders"]
    lab.sql("update orders set note = 'later' where id % 5 = 0")

    found = kill_loads(3, seed=1)
    finish(lab)

    assert found.anew, found
    assert_right(lab)
    assert lab.rows("orders", first.run_id).num_rows == 12_000


@pytest.mark.stress
@pytest.mark.parametrize("seed", [2, 3])
def test_many_loads_killed_at_random_lose_and_repeat_nothing(lab: Lab, seed: int) -> None:
    prepared(lab, 40_000)
    hits = anew = 0
    for number in range(4):
        found = kill_loads(8, seed=seed * 100 + number)
        finish(lab)
        assert_right(lab)
        lab.sql(f"update orders set note = 'after {number}' where id % 7 = {number}")
        hits, anew = hits + found.hits, anew + found.anew

    assert hits >= 30
    assert anew >= 10


@pytest.mark.stress
@pytest.mark.spark
def test_loads_by_spark_killed_at_random_lose_and_repeat_nothing(pg: Lab, spark: SparkSession) -> None:
    prepared(pg, 40_000)

    kill_loads(5, seed=4, engine="jdbc")
    finish(pg, engine="jdbc")

    assert_right(pg)


def test_cut_connections_are_replaced_and_nothing_is_doubled(lab: Lab) -> None:
    lab.orders(20_000)
    cuts: list[int] = []
    one_at_a_time = threading.Lock()

    class Cutting(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            with one_at_a_time:
                if rows > 0 and len(cuts) < 2 and self._tables[table].rows > 4000 * (1 + len(cuts)):
                    cuts.append(lab.cut())

    outcome = loaded_with(lab, Cutting())

    assert len(cuts) == 2
    assert min(cuts) > 1
    assert outcome.status == "loaded", outcome.error
    assert outcome.attempts >= 2
    assert outcome.consistency == "per_chunk"
    lab.assert_equal_to_source("orders", *COLUMNS)
    assert all(one.is_equal for one in lab.checked())


def test_a_reader_that_is_lost_alone_keeps_the_loads_snapshot(lab: Lab) -> None:
    lab.orders(20_000)
    is_cut = threading.Event()
    readers = {"postgres": "query like '%copy %'", "mysql": "true order by id limit 1"}

    class Cutting(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if not is_cut.is_set() and self._tables[table].rows > 4000:
                is_cut.set()
                lab.sql("insert into orders values (0, 'after the snapshot', 1, 1)")
                assert lab.cut(readers[lab.dialect_name])

    outcome = loaded_with(lab, Cutting())

    assert (outcome.status, outcome.consistency) == ("loaded", "snapshot")
    assert outcome.attempts >= 2
    assert outcome.rows == 20_000


def loaded_with(lab: Lab, board: Board) -> Any:
    with board:
        (outcome,) = Load(lab.settings, lab.source, Options(parallel_tables=2)).run(board)
    return outcome


def test_two_loads_of_one_copy_that_do_not_see_each_others_lease_load_each_chunk_once(lab: Lab, tmp_path: Path) -> None:
    lab.orders(12_000)
    stopped = lab.stopped()
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
