"""One Parquet file of an append-only table, written batch by batch and stamped with the time of its making."""

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.fileformat import DataFileStatistics
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import Table

from ingestion.lake.tables import LOADED_AT, RUN_ID, TIMESTAMP

_MICROSECONDS_A_DAY = 86_400_000_000
_ROW_GROUP = 128 << 10  # rows at most
_SAMPLE = 32 << 10  # rows at most by which a file's columns are judged
_FIRST_SAMPLE = 4 << 10  # rows in which no value comes twice where none does at all; fewer do not tell


@dataclass(frozen=True)
class WrittenFile:
    """A finished file that no snapshot refers to yet; `loaded_at` (microseconds since 1970) is in all its rows."""

    data_file: DataFile
    rows: int
    loaded_at: int
    run_id: str

    def stamped(self, table: Table, loaded_at: int) -> "WrittenFile":
        """The same rows in a new file with another load time; the old file is deleted."""
        with FileWriter(table, loaded_at, self.run_id) as writer:
            with table.io.new_input(self.data_file.file_path).open() as file:
                for batch in pq.ParquetFile(file).iter_batches(_ROW_GROUP):
                    rows = pa.Table.from_batches([batch])
                    writer.write(rows.drop_columns([LOADED_AT.name, RUN_ID.name]))
            written = writer.finish()
        with contextlib.suppress(OSError):
            table.io.delete(self.data_file.file_path)
        return written


def new_location(table: Table, loaded_at: int) -> str:
    """Where a new data file of this load time goes."""
    key = _partition(table, loaded_at)
    return str(table.location_provider().new_data_location(f"00000-0-{uuid.uuid4()}.parquet", key))


def _partition(table: Table, loaded_at: int) -> PartitionKey:
    day = loaded_at // _MICROSECONDS_A_DAY
    values = [PartitionFieldValue(field, day) for field in table.spec().fields]
    return PartitionKey(values, table.spec(), table.schema())


def _described(location: str, key: PartitionKey, size: int, statistics: DataFileStatistics) -> DataFile:
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=key.partition,
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=key.partition_spec.spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


class FileWriter:
    """Use with `with`: leaving it without `finish` removes the file. For one thread.

    What stands at `location` is replaced; without it, the file is a new one.
    """

    def __init__(self, table: Table, loaded_at: int, run_id: str, location: str | None = None) -> None:
        self.loaded_at = loaded_at
        self.rows = 0
        self._run_id = run_id
        self._fields = list(schema_to_pyarrow(table.schema()))
        self._key = _partition(table, loaded_at)
        self._location = location or new_location(table, loaded_at)
        self._table = table
        self._output = table.io.new_output(self._location)
        self._open = contextlib.ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._is_finished = False
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0

    def __enter__(self) -> "FileWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._is_finished:
            return
        with contextlib.suppress(Exception):  # a writer that failed, or was never written to, cannot be closed either
            self._open.close()
        with contextlib.suppress(OSError):
            self._table.io.delete(self._location)

    def write(self, rows: pa.Table) -> None:
        """Add rows: any of the table's columns but `_loaded_at` and `_run_id`; a column that is missing is null."""
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= _ROW_GROUP:
            self._flush()

    def finish(self) -> WrittenFile:
        """The file on disk, complete; at least one row must have been written."""
        self._flush()
        assert self._writer is not None
        self._open.close()
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=self._writer.writer.metadata,
            stats_columns=compute_statistics_plan(self._table.schema(), self._table.properties),
            parquet_column_mapping=parquet_path_to_id_mapping(self._table.schema()),
        )
        data_file = _described(self._location, self._key, len(self._output), statistics)
        self._is_finished = True
        return WrittenFile(data_file, self.rows, self.loaded_at, self._run_id)

    def _flush(self) -> None:
        if not self._waiting_rows:
            return
        rows = pa.concat_tables(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        stored = self._stored(rows)
        if self._writer is None:
            stream = self._open.enter_context(self._output.create(overwrite=True))
            self._writer = self._open.enter_context(_parquet_writer(stream, stored, self._table.properties))
        self._writer.write_table(stored, row_group_size=_ROW_GROUP)
        self.rows += rows.num_rows

    def _stored(self, rows: pa.Table) -> pa.Table:
        """`rows` in the stored table's column order, with the stamp; a column no longer configured is null."""
        return pa.table(*_columns(rows, self._fields, self.loaded_at, self._run_id))


def _parquet_writer(stream: Any, first: pa.Table, properties: Mapping[str, str]) -> pq.ParquetWriter:
    """pyiceberg's own settings, but for dictionaries: they are made where the first rows show that values repeat.

    Where they do not, a dictionary is given up when it is full, which costs twice the time and more bytes than none.
    """
    return pq.ParquetWriter(
        stream,
        first.schema,
        compression=properties.get("write.parquet.compression-codec", "zstd"),
        compression_level=int(properties.get("write.parquet.compression-level", 1)),
        use_dictionary=_repeating(first),
        store_decimal_as_integer=True,
        data_page_size=1 << 20,
        dictionary_pagesize_limit=2 << 20,
        write_batch_size=20_000,
    )


def _repeating(rows: pa.Table) -> bool | list[str]:
    """The columns of which a value comes twice on average; all where there are too few rows to tell."""
    if rows.num_rows < _FIRST_SAMPLE:
        return True
    names = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    first = rows.slice(0, _FIRST_SAMPLE)
    names = [name for name in names if pc.count_distinct(first[name]).as_py() < _FIRST_SAMPLE]
    sample = rows.slice(0, _SAMPLE)
    return [name for name in names if pc.count_distinct(sample[name]).as_py() * 2 <= sample.num_rows]


def _columns(
    rows: pa.Table, fields: Sequence[pa.Field], loaded_at: int, run_id: str
) -> tuple[list[pa.Array | pa.ChunkedArray], pa.Schema]:
    stamps = {LOADED_AT.name: pa.scalar(loaded_at, TIMESTAMP), RUN_ID.name: pa.scalar(run_id)}
    arrays: list[pa.Array | pa.ChunkedArray] = []
    stored = []
    for field in fields:
        if field.name in stamps:
            column = pa.repeat(stamps[field.name], rows.num_rows)
        elif field.name in rows.column_names:
            column = rows[field.name]
        else:
            column = pa.nulls(rows.num_rows, field.type)
        if pa.types.is_nested(field.type):
            column = column.cast(field.type)  # the ids of its parts are in the stored type
        arrays.append(column)
        stored.append(field.with_type(column.type))
    return arrays, pa.schema(stored)
