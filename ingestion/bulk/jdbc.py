"""The `jdbc` engine: Spark reads the typed projection of many chunks at once and writes the files; we commit them.

A group of chunks is one Spark job and one commit, by the same writer and with the same mark as the copy engine's. So
a killed load repeats a group at most, and the files of a job that died are of no table.
"""

import contextlib
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from ingestion.bulk.copy import Copy, StoppedError, commit_chunks, proven, source_total
from ingestion.bulk.dialects.base import Jdbc, Reader, Snapshot
from ingestion.bulk.marks import Finished, View
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.rowhash import NULL, OVERFLOWED, PRESENT
from ingestion.bulk.rows import BATCH, READ, event_head, row_position, whole_key
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError
from ingestion.lake.datafile import WrittenFile, adopted
from ingestion.lake.tables import LOADED_AT, RUN_ID
from ingestion.settings import Settings

_GROUP = 16  # chunks of one Spark job
_ROW_IN_PARTITION = (1 << 33) - 1
_starting = threading.Lock()


def jdbc_chunks(run: Copy, snapshot: Snapshot, source: DatabaseSource, settings: Settings) -> None:
    """Read and commit what is left, group by group.

    Where Spark's connections cannot join the snapshot, each group has a position of its own, taken before it is read.
    """
    with snapshot.reader() as reader:
        reader.hold(run.table)
        left = run.mark().remaining
        for start in range(0, len(left), _GROUP):
            if run.stop.is_set():
                raise StoppedError(f"{run.table.raw_name}: stopped")
            numbers = left[start : start + _GROUP]
            if run.dialect.shares_snapshot:
                _load_group(run, snapshot.jdbc(), reader, View.of(snapshot.position), numbers, settings)
            else:
                with run.dialect.snapshot(source, 1) as own:
                    view = View.of(own.position, is_exact=False)
                _load_group(run, snapshot.jdbc(), reader, view, numbers, settings)


def _load_group(run: Copy, jdbc: Jdbc, reader: Reader, view: View, numbers: Sequence[int], settings: Settings) -> None:
    chunks = {number: run.plan.chunks[number].chunk() for number in numbers}
    now = time.time_ns() // 1000
    stamps = {number: now + place for place, number in enumerate(numbers)}
    files: list[WrittenFile] = []
    with _folder(run) as folder, _clear_errors(run.table):
        frames = [_frame(run, jdbc, view, chunks[number], stamps[number], settings) for number in numbers]
        together = frames[0]
        for frame in frames[1:]:
            together = together.unionByName(frame)
        together.write.options(compression="zstd").parquet(str(folder))
        found = [adopted(run.raw.table, f"file://{path}", run.run_id) for path in sorted(folder.glob("part-*"))]
        files += [file for file in found if file is not None]
        for other in (*folder.glob("_*"), *folder.glob(".*")):
            other.unlink()
        rows = dict.fromkeys(numbers, 0)
        for file in files:
            (number,) = [one for one, stamp in stamps.items() if stamp == file.loaded_at]
            rows[number] += file.rows
        run.advance(sum(rows.values()))
        proofs: dict[int, str | None] = dict.fromkeys(numbers)
        if run.is_proven and view.is_exact:
            predicates = {one: chunks[one].predicate for one in numbers}
            proofs = {one: proven(run, by, rows[one], source_total(run, reader, by)) for one, by in predicates.items()}

        def finished(_: Sequence[WrittenFile]) -> dict[int, Finished]:
            return {
                number: Finished(rows[number], proofs[number], stamps[number] if rows[number] else 0)
                for number in numbers
            }

        commit_chunks(run, view, files, finished, stamps_age=False)


@contextmanager
def _folder(run: Copy) -> Iterator[Path]:
    """A new folder below the table's data; it is removed when nothing was committed from it."""
    folder = Path(run.raw.table.location().removeprefix("file://")) / "data" / f"jdbc-{uuid.uuid4()}"
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _frame(run: Copy, jdbc: Jdbc, view: View, chunk: Chunk, stamp: int, settings: Settings) -> DataFrame:
    """One chunk as one partition, in the columns of the raw table."""
    from ingestion.bulk.rows import stored_columns

    spark = _session(settings)
    reader = spark.read.format("jdbc").options(**jdbc.properties).option("url", jdbc.url).option("driver", jdbc.driver)
    if jdbc.session_statement:
        reader = reader.option("sessionInitStatement", jdbc.session_statement)
    reader = reader.option("preferTimestampNTZ", "true").option("query", run.dialect.select(run.table, chunk))
    rows = reader.load()
    made = {
        "_raw_overflow": f.from_json(f.col("_raw_overflow"), "map<string,string>"),
        "_event_id": _event_id(run.table, view, chunk.id),
        "_op": f.lit(READ),
        "_load_type": f.lit(BATCH),
        "_position": f.lit(row_position(view)),
        "_source_at": f.lit(view.captured_at),
        LOADED_AT.name: f.timestamp_micros(f.lit(stamp)),
        RUN_ID.name: f.lit(run.run_id),
    }
    columns = []
    for field in stored_columns(run.table):
        value = made.get(field.name)
        if value is None:
            value = f.col(_quoted(field.name)).cast(_spark_type(field.type))
        columns.append(value.alias(field.name))
    return rows.select(*columns)


def _event_id(table: SourceTable, view: View, chunk_id: str) -> SparkColumn:
    """As RowMaker makes it; keys of floats have another text here, and other ids with it."""
    head = event_head(table, view)
    if not table.key:
        number = f.monotonically_increasing_id().bitwiseAND(f.lit(_ROW_IN_PARTITION))
        return f.concat(f.lit(f"{head}{chunk_id}-"), number.cast("string"))
    columns = {column.name: column for column in table.columns}
    if whole_key(table):
        keys = [f.col(_quoted(columns[name].field.name)).cast("string") for name in table.key]
        return f.concat(f.lit(head), f.concat_ws("-", *keys))
    texts = [_canonical(columns[name]) for name in table.key]
    parts = [f.concat(f.length(text).cast("string"), f.lit(":"), text) for text in texts]
    return f.concat(f.lit(head), f.md5(f.concat_ws(" ", *parts)))


def _canonical(column: Column) -> SparkColumn:
    """The text of `ingestion.bulk.rowhash`."""
    value, kind = f.col(_quoted(column.field.name)), column.field.type
    text = value.cast("string")
    if pa.types.is_binary(kind):
        text = f.lower(f.hex(value))
    elif pa.types.is_timestamp(kind):
        text = f.date_format(value, "yyyy-MM-dd HH:mm:ss.SSSSSS")
    elif pa.types.is_boolean(kind):
        text = f.substring(text, 1, 1)
    forms = [f.concat(f.lit(PRESENT), text)]
    if column.can_overflow:
        kept = f.from_json(f.col("_raw_overflow"), "map<string,string>")[column.field.name]
        forms.append(f.concat(f.lit(OVERFLOWED), kept))
    return f.coalesce(*forms, f.lit(NULL))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _spark_type(kind: pa.DataType) -> str:
    from pyspark.sql.pandas.types import from_arrow_type

    return from_arrow_type(kind, prefer_timestamp_ntz=True).simpleString()


def _session(settings: Settings) -> SparkSession:
    from ingestion.runtime.spark import spark_session

    with _starting:
        spark = SparkSession.getActiveSession() or spark_session(settings)
        spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        return spark


@contextmanager
def _clear_errors(table: SourceTable) -> Iterator[None]:
    """Spark's failures as one line; whether another try can help is not told apart."""
    try:
        yield
    except (Py4JError, PySparkException) as error:
        with contextlib.suppress(Exception):
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            causes = [line for line in lines if line.startswith("Caused by:")]
            raise RetryableError(f"{table.raw_name}: {(causes or lines)[-1][:300]}") from error
        raise
