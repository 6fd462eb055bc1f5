"""Data files: dictionaries where values repeat, a place of the caller's choice, nothing left of a file given up."""

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ingestion.lake.datafile import FileWriter, new_location
from ingestion.lake.tables import LOADED_AT, RUN_ID, ensure_table

STAMP = 1_700_000_000_000_000
COLUMNS = pa.schema([("id", pa.int64()), ("word", pa.string()), LOADED_AT, RUN_ID])


@pytest.fixture
def table(catalog: Catalog) -> Table:
    return ensure_table(catalog, "raw.lab_words", COLUMNS)


def _rows(count: int) -> pa.Table:
    return pa.table({"id": pa.array(range(count), pa.int64()), "word": pa.array(["a", "b"] * (count // 2))})


def _path(location: str) -> Path:
    return Path(location.removeprefix("file://"))


def _with_dictionary(location: str) -> set[str]:
    group = pq.read_metadata(_path(location)).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    return {column.path_in_schema for column in columns if column.has_dictionary_page}


@pytest.mark.parametrize("count", [40_000, 5_000])
def test_a_column_has_a_dictionary_only_if_its_values_repeat(table: Table, count: int) -> None:
    location = new_location(table, STAMP)

    with FileWriter(table, STAMP, "run", location) as writer:
        writer.write(_rows(count))
        written = writer.finish()

    assert written.data_file.file_path == location
    assert _with_dictionary(location) == {"word", "_loaded_at", "_run_id"}
    assert pq.read_table(_path(location), partitioning=None)["id"].to_pylist() == list(range(count))


def test_a_file_of_few_rows_is_not_judged(table: Table) -> None:
    with FileWriter(table, STAMP, "run") as writer:
        writer.write(_rows(10))
        written = writer.finish()

    assert _with_dictionary(written.data_file.file_path) == {"id", "word", "_loaded_at", "_run_id"}


def test_a_written_file_can_be_sent_to_another_process(table: Table) -> None:
    with FileWriter(table, STAMP, "run") as writer:
        writer.write(_rows(10))
        written = writer.finish()

    assert pickle.loads(pickle.dumps(written)) == written


def test_nothing_is_left_of_a_file_that_is_given_up(table: Table) -> None:
    location = new_location(table, STAMP)

    with FileWriter(table, STAMP, "run", location) as writer:
        writer.write(_rows(140_000))
        existed = _path(location).exists()

    assert existed
    assert not _path(location).exists()
