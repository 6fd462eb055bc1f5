"""The mark of a copy: whatever order commits come in and however often they are tried, each chunk counts once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ingestion.bulk.marks import Finished, View, mark_in, marks_of, moved, newest_complete, planned, resumable
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.lake.append import AppendTable, Marks
from ingestion.lake.catalog import open_catalog
from ingestion.lake.datafile import WrittenFile
from ingestion.lake.tables import LOADED_AT, RUN_ID, ensure_table
from ingestion.settings import Settings

CHUNKS = 4
TABLE = SourceTable(
    "public", "orders", "raw.lab_orders", (Column("id", "bigint", pa.field("id", pa.int64())),), ("id",)
)
STORED = pa.schema([*TABLE.raw_schema, LOADED_AT, RUN_ID])


def view(number: int) -> View:
    return View(f"{number:08d}", f"{number}:{number}:", str(number), datetime(2026, 1, 1, tzinfo=UTC))


def commit(lake: AppendTable, run_id: str, number: int, place: int) -> None:
    """What an engine does with one chunk: two rows of it, read in view `place`."""
    plan = planned("lab", TABLE, "copy", [Chunk(f"key:{one}", "", 2, 10) for one in range(CHUNKS)], by_key=True)
    with lake.new_file(run_id) as file:
        file.write(pa.table({"id": pa.array([number * 2, number * 2 + 1], pa.int64())}))
        files = [file.finish()]

    def decide(table: Table, held: Sequence[WrittenFile]) -> Marks | None:
        if number in mark_in(table, run_id, plan).done:
            return None
        return moved(table, run_id, plan, view(place), {number: Finished(2, "7", held[0].loaded_at)})

    lake.commit(files, decide)


tries = st.lists(st.tuples(st.integers(0, CHUNKS - 1), st.integers(0, 1), st.integers(1, 2)), max_size=10)


@settings(max_examples=15, deadline=None)
@given(tries)
def test_chunks_tried_in_any_order_by_two_writers_are_each_there_once(found: list[tuple[int, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        catalog = open_catalog(Settings(home=Path(folder)))
        ensure_table(catalog, "raw.lab_orders", STORED)
        writers = [AppendTable(catalog, "raw.lab_orders") for _ in range(2)]

        for number, writer, place in found:
            commit(writers[writer], "run-1", number, place)

        stored = catalog.load_table("raw.lab_orders")
        done = {number for number, _, _ in found}
        ids = stored.scan().to_arrow()["id"].to_pylist()
        marks = marks_of(stored)
        catalog.close()
    assert sorted(ids) == sorted(one for number in done for one in (number * 2, number * 2 + 1))
    assert {number for mark in marks.values() for number in mark.done} == done
    assert all((mark.completed_at is not None) == (len(done) == CHUNKS) for mark in marks.values())
    assert all(mark.rows == len(ids) for mark in marks.values())


def test_a_complete_copy_drops_the_marks_of_unfinished_ones_and_shortens_older_ones(catalog: Catalog) -> None:
    ensure_table(catalog, "raw.lab_orders", STORED)
    lake = AppendTable(catalog, "raw.lab_orders")
    for number in range(CHUNKS):
        commit(lake, "first", number, 1)
    commit(lake, "unfinished", 0, 2)

    unfinished = resumable(catalog.load_table("raw.lab_orders"), TABLE)
    for number in range(CHUNKS):
        commit(lake, "second", number, 3)

    stored = catalog.load_table("raw.lab_orders")
    marks, newest = marks_of(stored), newest_complete(stored)
    assert unfinished is not None
    assert (unfinished[0], unfinished[1].remaining) == ("unfinished", [1, 2, 3])
    assert sorted(marks) == ["first", "second"]
    assert (marks["first"].rows, len(marks["first"].chunks), len(marks["second"].chunks)) == (8, 1, CHUNKS)
    assert newest is not None
    assert newest[0] == "second"
    assert resumable(stored, TABLE) is None


def test_a_copy_read_in_two_views_says_so_and_names_the_earlier_place(catalog: Catalog) -> None:
    ensure_table(catalog, "raw.lab_orders", STORED)
    lake = AppendTable(catalog, "raw.lab_orders")

    commit(lake, "run", 0, 5)
    before = marks_of(lake.table)["run"].consistency
    commit(lake, "run", 1, 3)

    mark = marks_of(lake.table)["run"]
    assert (before, mark.consistency) == ("snapshot", "per_chunk")
    assert mark.first_view == view(3)
