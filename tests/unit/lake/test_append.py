"""One append: rows and marks in one commit, load times that only grow, and nothing twice after a conflict."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.errors import PermanentError
from ingestion.lake.append import LOADED_AT_PROPERTY, MARK_PREFIX, AppendTable, MarkMovedError
from ingestion.lake.expire import KEEP_AT_MOST
from ingestion.lake.tables import LOADED_AT, RUN_ID, ensure_table
from tests.unit.lake.conftest import COLUMNS, Clock, things
from tests.unit.lake.deliveries import column


def test_rows_and_marks_are_one_commit_of_snapshot_and_table(catalog: Catalog, table: str) -> None:
    done = AppendTable(catalog, table).append(things("1", "2"), "run-1", {"a": 7, "b": 9})

    stored = catalog.load_table(table)
    snapshot = stored.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.snapshot_id == done.snapshot_id
    for place in (stored.properties, snapshot.summary.additional_properties):
        assert place[f"{MARK_PREFIX}a"] == "7"
        assert place[f"{MARK_PREFIX}b"] == "9"
        assert place[LOADED_AT_PROPERTY] == str(done.loaded_at)
    assert len(stored.snapshots()) == 1
    assert sorted(column(catalog, table, "id")) == ["1", "2"]
    assert column(catalog, table, "_run_id") == ["run-1", "run-1"]


def test_a_new_object_reads_the_marks_back(catalog: Catalog, table: str) -> None:
    AppendTable(catalog, table).append(things("1"), "run-1", {"a": 7})

    again = AppendTable(catalog, table)

    assert again.mark("a") == 7
    assert again.mark("b") == 0


def test_one_commit_has_one_load_time_and_its_day_as_partition(catalog: Catalog, table: str, clock: Clock) -> None:
    AppendTable(catalog, table, clock).append(things("1", "2", "3"), "run-1", {})

    (day,) = catalog.load_table(table).inspect.partitions()["partition"].to_pylist()
    assert len(set(column(catalog, table, "_loaded_at"))) == 1
    assert str(day["_loaded_at_day"]) == "2026-01-01"


def test_load_times_grow_when_the_clock_stands_still_or_goes_back(catalog: Catalog, table: str, clock: Clock) -> None:
    lake = AppendTable(catalog, table, clock)
    stamps = [lake.append(things("1"), "r", {}).loaded_at, lake.append(things("2"), "r", {}).loaded_at]
    clock.now -= 3_600_000_000
    stamps.append(lake.append(things("3"), "r", {}).loaded_at)
    stamps.append(AppendTable(catalog, table, clock).append(things("4"), "r", {}).loaded_at)
    clock.now += 7_200_000_000
    stamps.append(lake_after_jump := AppendTable(catalog, table, clock).append(things("5"), "r", {}).loaded_at)

    moments = [snapshot.timestamp_ms for snapshot in catalog.load_table(table).snapshots()]
    assert stamps == sorted(set(stamps))
    assert moments == [stamp // 1000 for stamp in stamps]
    assert len(set(moments)) == len(moments)
    assert lake_after_jump == clock.now


def test_a_writer_with_an_old_view_of_the_table_lands_on_top_with_a_later_stamp(
    catalog: Catalog, table: str, clock: Clock
) -> None:
    slow, fast = AppendTable(catalog, table, clock), AppendTable(catalog, table, clock)
    first = fast.append(things("1"), "fast", {"f": 1})

    second = slow.append(things("2"), "slow", {"s": 1})

    stored = catalog.load_table(table)
    assert second.tries == 2
    assert second.loaded_at > first.loaded_at
    assert sorted(column(catalog, table, "id")) == ["1", "2"]
    assert (stored.properties[f"{MARK_PREFIX}f"], stored.properties[f"{MARK_PREFIX}s"]) == ("1", "1")


def test_a_try_that_lost_leaves_no_file_behind(catalog: Catalog, table: str, home: Path) -> None:
    slow, fast = AppendTable(catalog, table), AppendTable(catalog, table)
    fast.append(things("1"), "fast", {})

    slow.append(things("2"), "slow", {})

    folder = home / "warehouse" / "raw" / "lab_things"
    assert len(list(folder.rglob("*.parquet"))) == 2
    assert len(list(folder.glob("metadata/snap-*.avro"))) == 2
    assert len(list(folder.glob("metadata/*-m*.avro"))) == 2
    assert len(list(folder.glob("metadata/*.metadata.json"))) == 3


def test_nothing_is_written_when_the_mark_has_moved_under_another_writer(catalog: Catalog, table: str) -> None:
    ours, other = AppendTable(catalog, table), AppendTable(catalog, table)
    other.append(things("1", "2"), "other", {"a": 2})

    with pytest.raises(MarkMovedError):
        ours.append(things("1", "2"), "ours", {"a": 2})

    assert sorted(column(catalog, table, "id")) == ["1", "2"]


def test_rows_chosen_by_a_mark_that_is_newer_than_the_table_seen_last_are_committed(
    catalog: Catalog, table: str
) -> None:
    ours, other = AppendTable(catalog, table), AppendTable(catalog, table)
    other.append(things("1", "2"), "other", {"a": 2})

    ours.append(things("3"), "ours", {"a": 3}, before={"a": 2})

    assert sorted(column(catalog, table, "id")) == ["1", "2", "3"]
    assert catalog.load_table(table).properties[f"{MARK_PREFIX}a"] == "3"


def test_a_stamp_that_grew_old_before_the_commit_is_made_anew(catalog: Catalog, table: str, clock: Clock) -> None:
    class Slow(Clock):
        calls = 0

        def __call__(self) -> int:
            self.calls += 1
            if self.calls == 2:  # between the first stamp and its commit
                self.now += 45_000_000
            return self.now

    slow = Slow()

    done = AppendTable(catalog, table, slow).append(things("1"), "r", {"a": 1})

    assert done.tries == 2
    assert done.loaded_at == slow.now
    assert column(catalog, table, "id") == ["1"]


def test_a_dropped_table_is_an_error_and_is_not_made_by_the_way(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)
    catalog.drop_table(table)

    with pytest.raises(PermanentError):
        lake.append(things("1"), "r", {})

    assert not catalog.table_exists(table)


def test_marks_survive_the_expiry_of_the_snapshots_that_carried_them(
    catalog: Catalog, table: str, clock: Clock
) -> None:
    lake = AppendTable(catalog, table, clock)
    first = lake.append(things("0"), "r", {"gone": 41})
    for number in range(1, 60):
        clock.now += 60_000_000
        lake.append(things(str(number)), "r", {"a": number})

    again = AppendTable(catalog, table)
    assert again.table.snapshot_by_id(first.snapshot_id) is None
    assert again.mark("gone") == 41
    assert again.mark("a") == 59
    assert len(column(catalog, table, "id")) == 60


def test_the_snapshots_kept_are_bounded_however_fast_they_come(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)

    for number in range(KEEP_AT_MOST + 25):
        lake.append(things(str(number)), "r", {})

    assert len(catalog.load_table(table).snapshots()) <= KEEP_AT_MOST + 10
    assert len(column(catalog, table, "id")) == KEEP_AT_MOST + 25


def test_the_stored_metadata_is_what_pyiceberg_itself_would_read_and_write(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)
    lake.append(things("1"), "r", {"a": 1})
    catalog.load_table(table).update_schema().add_column("extra", lake.table.schema().find_type("id")).commit()

    lake.append(things("2"), "r", {"a": 2})

    stored = catalog.load_table(table)
    document = json.loads(Path(stored.metadata_location.removeprefix("file://")).read_text(encoding="utf-8"))
    assert [entry["snapshot-id"] for entry in document["snapshot-log"]] == [
        found.snapshot_id for found in stored.snapshots()
    ]
    assert document["last-sequence-number"] == 2
    assert document["refs"]["main"]["snapshot-id"] == document["current-snapshot-id"]
    assert "extra" in stored.schema().column_names
    assert lake.table.metadata.model_dump() == stored.metadata.model_dump()


def test_a_column_that_is_configured_later_is_null_before_and_kept_after(catalog: Catalog, table: str) -> None:
    AppendTable(catalog, table).append(things("1"), "r", {})
    wider = pa.schema([COLUMNS.field("id"), pa.field("size", pa.int64()), COLUMNS.field("_payload"), LOADED_AT, RUN_ID])

    ensure_table(catalog, table, wider)
    AppendTable(catalog, table).append(pa.table({"id": ["2"], "size": [5], "_payload": ["{}"]}), "r", {})
    ensure_table(catalog, table, COLUMNS)
    AppendTable(catalog, table).append(things("3"), "r", {})

    stored = catalog.load_table(table)
    rows = {row["id"]: row["size"] for row in stored.scan().to_arrow().to_pylist()}
    assert rows == {"1": None, "2": 5, "3": None}
    assert stored.schema().column_names == ["id", "size", "_payload", "_loaded_at", "_run_id"]


def test_a_change_of_properties_by_another_writer_is_kept(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)
    with catalog.load_table(table).transaction() as change:
        change.set_properties({"colour": "blue"})

    lake.append(things("1"), "r", {"a": 1})

    stored = catalog.load_table(table)
    assert stored.properties["colour"] == "blue"
    assert stored.properties[f"{MARK_PREFIX}a"] == "1"
