"""Files written ahead and committed one after another: each once, with a fresh stamp, or not at all."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ingestion.lake.append import AppendTable, Marks
from ingestion.lake.datafile import WrittenFile
from ingestion.lake.tables import TEXT_MAP, ensure_table
from tests.unit.lake.conftest import COLUMNS, Clock, things
from tests.unit.lake.deliveries import column


def written(lake: AppendTable, *ids: str) -> WrittenFile:
    with lake.new_file("run-1") as file:
        file.write(things(*ids))
        return file.finish()


def marked(table: Table, files: Sequence[WrittenFile]) -> Marks | None:
    """Marks chunk `a` as done; nothing if it is."""
    return None if "a" in table.properties else Marks({"a": "done"}, (), {"chunk": "a"})


def test_several_files_are_one_commit_with_their_marks(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)

    done = lake.commit([written(lake, "1", "2"), written(lake, "3")], marked)

    stored = catalog.load_table(table)
    assert done is not None
    assert (done.rows, len(stored.snapshots()), stored.properties["a"]) == (3, 1, "done")
    assert sorted(column(catalog, table, "id")) == ["1", "2", "3"]
    assert len(set(column(catalog, table, "_loaded_at"))) == 2


def test_marks_without_files_are_a_commit_too(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)
    lake.commit([written(lake, "1")], lambda table, files: Marks({"b": "1"}))

    lake.commit([], marked)

    stored = catalog.load_table(table)
    assert stored.properties["a"] == "done"
    assert len(stored.snapshots()) == 2
    assert column(catalog, table, "id") == ["1"]


def test_a_chunk_that_another_writer_committed_meanwhile_is_not_committed_again(
    catalog: Catalog, table: str, home: Path
) -> None:
    slow, fast = AppendTable(catalog, table), AppendTable(catalog, table)
    file = written(slow, "1", "2")
    fast.commit([written(fast, "1", "2")], marked)

    done = slow.commit([file], marked)

    assert done is None
    assert sorted(column(catalog, table, "id")) == ["1", "2"]
    assert len(list((home / "warehouse").rglob("*.parquet"))) == 1


def test_a_file_that_waited_long_is_stamped_anew(catalog: Catalog, table: str, clock: Clock, home: Path) -> None:
    lake = AppendTable(catalog, table, clock)
    file = written(lake, "1", "2")
    clock.now += 20_000_000
    seen: list[int] = []

    def told(table: Table, files: Sequence[WrittenFile]) -> Marks:
        seen.extend(one.loaded_at for one in files)
        return Marks({})

    lake.commit([file], told)

    assert seen == [clock.now]
    assert {moment.timestamp() for moment in column(catalog, table, "_loaded_at")} == {clock.now / 1e6}
    assert column(catalog, table, "_run_id") == ["run-1", "run-1"]
    assert len(list((home / "warehouse").rglob("*.parquet"))) == 1


def test_a_file_that_is_not_finished_leaves_nothing_behind(catalog: Catalog, table: str, home: Path) -> None:
    lake = AppendTable(catalog, table)

    def fail() -> None:
        with lake.new_file("run-1") as file:
            file.write(pa.concat_tables([things(*map(str, range(1000)))] * 200))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert list((home / "warehouse").rglob("*.parquet")) == []


def test_properties_that_are_removed_are_gone_with_the_commit(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)
    lake.commit([], lambda table, files: Marks({"old": "1"}))

    lake.commit([], lambda table, files: Marks({"new": "1"}, ("old",)))

    properties = catalog.load_table(table).properties
    assert "old" not in properties
    assert properties["new"] == "1"


def test_every_type_of_the_contract_is_stored_and_read_back_exactly(catalog: Catalog) -> None:
    columns = pa.schema(
        [
            pa.field("small", pa.int32()),
            pa.field("amount", pa.decimal128(38, 9)),
            pa.field("ratio", pa.float32()),
            pa.field("real", pa.float64()),
            pa.field("day", pa.date32()),
            pa.field("local", pa.timestamp("us")),
            pa.field("texts", TEXT_MAP),
            *list(COLUMNS)[2:],
        ]
    )
    ensure_table(catalog, "raw.lab_types", columns)
    ensure_table(catalog, "raw.lab_types", columns)
    row = {"small": [-(2**31)], "ratio": [0.1], "real": [float("inf")], "texts": [[("a", None), ("b", "")]]}
    rows = pa.table(
        {
            **{name: pa.array(values, columns.field(name).type) for name, values in row.items()},
            "amount": pa.array(["99999999999999999999999999999.999999999"]).cast(pa.decimal128(38, 9)),
            "day": pa.array([-719162], pa.int32()).cast(pa.date32()),
            "local": pa.array([-62135596800000000], pa.int64()).cast(pa.timestamp("us")),
        }
    )
    lake = AppendTable(catalog, "raw.lab_types")

    with lake.new_file("r") as file:
        file.write(rows)
        lake.commit([file.finish()], lambda table, files: Marks({}))

    stored = catalog.load_table("raw.lab_types").scan().to_arrow()
    for name in rows.column_names:
        assert stored[name].to_pylist() == rows[name].to_pylist(), name
