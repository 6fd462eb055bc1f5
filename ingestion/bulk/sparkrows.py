"""What Spark's connections read of chunks, and what its Python workers make of it: the rows of the `copy` engine."""

import itertools
import json
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyiceberg.table import StaticTable, Table
from pyspark import Accumulator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.udf import UserDefinedFunction
from pyspark.util import PythonEvalType

from ingestion.bulk.dialects.base import Dialect, Jdbc
from ingestion.bulk.marks import View
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.rows import RowMaker
from ingestion.bulk.typed import finished
from ingestion.lake.datafile import FileWriter, WrittenFile
from ingestion.lake.tables import TEXT_MAP

_WRITTEN = "written binary"


def chunk_frame(
    spark: SparkSession, dialect: Dialect, jdbc: Jdbc, table: SourceTable, chunk: Chunk, number: int
) -> DataFrame:
    """What `Dialect.spark_select` gives of a chunk, as one partition, and beside each row the chunk's `number`.

    The columns' types are told to Spark: what it would guess (decimal(38,18) for a number in a CASE) costs a third of
    the time and is exact by luck. The number comes with the rows, because one in Spark's own code makes another class
    of each chunk's, and Java would compile and warm up every one of them.
    """
    reader = spark.read.format("jdbc").options(**jdbc.properties).option("url", jdbc.url).option("driver", jdbc.driver)
    if jdbc.session_statement:
        reader = reader.option("sessionInitStatement", jdbc.session_statement)
    types = [
        f"c{place} {_spark_type(column.field.type)}"
        for place, column in enumerate(table.columns)
        if not _is_calendar(column.field.type)
    ]
    reader = reader.option("customSchema", ", ".join([*types, "chunk int"]))
    numbered = f"select q.*, {number} as chunk from ({dialect.spark_select(table, chunk)}) q"
    return reader.option("preferTimestampNTZ", "true").option("query", numbered).load()


@dataclass(frozen=True)
class ChunkFile:
    """Where the rows of a chunk go; `loaded_at` in microseconds since 1970."""

    chunk_id: str
    loaded_at: int
    location: str


@dataclass(frozen=True)
class WrittenChunk:
    """A chunk's finished file, and how many values of each raw column did not fit their type."""

    number: int
    file: WrittenFile
    misfits: Counter[str]


class ChunkWriter:
    """Writes a partition of `chunk_frame`s to its chunk's file, and gives its WrittenChunk, pickled, if it has rows.

    Goes to Spark's workers by pickle itself; adds to `counted` the rows of each partition when it is done.
    """

    def __init__(
        self,
        raw: Table,
        table: SourceTable,
        view: View,
        run_id: str,
        files: Mapping[int, ChunkFile],
        counted: Accumulator[int],
    ) -> None:
        self._raw, self._properties = raw.metadata_location, dict(raw.io.properties)
        self._table, self._view, self._run_id = table, view, run_id
        self._files, self._counted = files, counted

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        filled = (batch for batch in batches if batch.num_rows)
        first = next(filled, None)
        if first is None:
            return
        number = first["chunk"][0].as_py()
        target = self._files[number]
        raw = StaticTable.from_metadata(self._raw, self._properties)
        maker = RowMaker(self._table, self._view, target.chunk_id)
        misfits: Counter[str] = Counter()
        with FileWriter(raw, target.loaded_at, self._run_id, target.location) as file:
            for batch in itertools.chain([first], filled):
                file.write(maker.made(self._typed(batch, misfits)))
            done = WrittenChunk(number, file.finish(), misfits)
        self._counted.add(file.rows)
        yield pa.record_batch([pa.array([pickle.dumps(done)])], ["written"])

    def _typed(self, batch: pa.RecordBatch, misfits: Counter[str]) -> pa.RecordBatch:
        """The batch of the raw columns; adds to `misfits` what of it did not fit."""
        columns = self._table.columns
        for place, column in self._table.silent.items():
            array = batch[f"m{place}"]
            misfits[column.field.name] += len(array) - array.null_count
        silent = {column.field.name for column in self._table.silent.values()}
        kept = None
        if batch["overflow"].null_count < batch.num_rows:
            maps = [None if text is None else json.loads(text) for text in batch["overflow"].to_pylist()]
            misfits.update(name for one in maps if one for name in one if name not in silent)
            kept = pa.array([None if one is None else list(one.items()) for one in maps], TEXT_MAP)
        arrays = [_value(batch[f"c{place}"], column.field.type) for place, column in enumerate(columns)]
        return finished(self._table, arrays, kept)


def written(rows: DataFrame, writer: ChunkWriter) -> dict[int, WrittenChunk]:
    """Write one `chunk_frame` or several together; by number, each chunk that has rows.

    As `rows.mapInArrow(writer, _WRITTEN)`, which asks for pandas although nothing of it is used.
    """
    frame: Any = rows
    function: Any = UserDefinedFunction(writer, _WRITTEN, evalType=PythonEvalType.SQL_MAP_ARROW_ITER_UDF)
    columns = function(*(rows[name] for name in rows.columns))._jc
    made = DataFrame(frame._jdf.mapInArrow(columns, False, None), rows.sparkSession)
    found: list[WrittenChunk] = [pickle.loads(row.written) for row in made.collect()]  # noqa: S301 - of our own workers
    return {one.number: one for one in found}


def _value(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Dates as whole days and times as microseconds since 1970 become what they are."""
    if array.type == kind or not _is_calendar(kind):
        return array
    if pa.types.is_date(kind):
        return array.cast(pa.int32()).cast(kind) if pa.types.is_integer(array.type) else array.cast(kind)
    return (array.cast(pa.int64()).cast(pa.timestamp("us")) if pa.types.is_integer(array.type) else array).cast(kind)


def _is_calendar(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _spark_type(kind: pa.DataType) -> str:
    from pyspark.sql.pandas.types import from_arrow_type

    return from_arrow_type(kind, prefer_timestamp_ntz=True).simpleString()
