"""The `jdbc` engine: Spark reads the typed projection of many chunks at once and writes the files; we commit them.

A group of chunks is one Spark job and one commit, by the same writer and with the same mark as the copy engine's. So
a killed load repeats a group at most, and the files of a job that died are of no table.
"""

import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as f

from ingestion.bulk.copy import Copy, StoppedError, commit_chunks, proven, source_total
from ingestion.bulk.dialects.base import Jdbc, Reader, Snapshot
from ingestion.bulk.marks import Finished, View
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.sparkrows import chunk_frame, raw_frame
from ingestion.errors import ContractError, RetryableError
from ingestion.lake.datafile import WrittenFile, adopted
from ingestion.runtime.spark import shared_session
from ingestion.settings import Settings

_GROUP = 16  # chunks of one Spark job
_PARQUET = {"compression": "zstd", "parquet.compression.codec.zstd.level": "1"}  # the level that the copy engine has


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
    with _folder(run) as folder, _clear_errors(run), ThreadPoolExecutor(1, thread_name_prefix="proof") as pool:
        totals = pool.submit(_totals, run, reader, chunks) if run.is_proven and view.is_exact else None
        spark = _session(settings)
        together: DataFrame | None = None
        seen: dict[int, Observation] = {}
        for number in numbers:
            rows = chunk_frame(spark, run.dialect, jdbc, run.table, chunks[number], stamps[number])
            if run.table.silent:
                seen[number] = Observation()
                changed = [f.count(f"m{place}").alias(one.field.name) for place, one in run.table.silent.items()]
                rows = rows.observe(seen[number], *changed)
            together = rows if together is None else together.union(rows)
        assert together is not None
        frame = raw_frame(together, run.table, view, run.run_id)
        frame.write.options(**_PARQUET, **_without_dictionaries(run.table)).parquet(str(folder))
        found = [adopted(run.raw.table, f"file://{path}", run.run_id) for path in sorted(folder.glob("part-*"))]
        files = [file for file in found if file is not None]
        for other in (*folder.glob("_*"), *folder.glob(".*")):
            other.unlink()
        rows_of = dict.fromkeys(numbers, 0)
        misfits = {number: Counter(seen[number].get if number in seen else {}) for number in numbers}
        for file in files:
            (number,) = [one for one, stamp in stamps.items() if stamp == file.loaded_at]
            rows_of[number] += file.rows
            misfits[number].update(_kept_texts(run.table, file))
        run.advance(sum(rows_of.values()))
        proofs: dict[int, str | None] = dict.fromkeys(numbers)
        if totals is not None:
            proofs = {
                one: proven(run, chunks[one].predicate, rows_of[one], total) for one, total in totals.result().items()
            }

        def finished(_: Sequence[WrittenFile]) -> dict[int, Finished]:
            return {
                one: Finished(rows_of[one], proofs[one], stamps[one] if rows_of[one] else 0, misfits[one].total())
                for one in numbers
            }

        commit_chunks(run, view, files, finished, stamps_age=False)
    for changed_values in misfits.values():
        run.out_of_range.update(changed_values)


def _totals(run: Copy, reader: Reader, chunks: Mapping[int, Chunk]) -> dict[int, tuple[int, str]]:
    """The source's counts and hashes, taken beside Spark's reading by a connection of their own in the same view."""
    found = {}
    for number, chunk in chunks.items():
        if run.stop.is_set():
            raise StoppedError(f"{run.table.raw_name}: stopped")
        found[number] = source_total(run, reader, chunk.predicate)
    return found


def _without_dictionaries(table: SourceTable) -> Mapping[str, str]:
    """Parquet's settings for columns whose values do not repeat: a dictionary that is given up costs more than none."""
    alone = [column.field.name for column in table.columns if table.key == (column.name,)]
    return {f"parquet.enable.dictionary#{name}": "false" for name in ("_event_id", *alone)}


def _kept_texts(table: SourceTable, file: WrittenFile) -> Counter[str]:
    """By raw column, how many texts of values that their type cannot hold are in the file, but for silent columns."""
    told = {column.field.name for column in table.columns if column.can_overflow}
    told -= {column.field.name for column in table.silent.values()}
    if not told:
        return Counter()
    stored = pq.read_table(file.data_file.file_path.removeprefix("file://"), columns=["_raw_overflow"])
    texts = stored["_raw_overflow"].drop_null().to_pylist()
    return Counter(name for one in texts for name, _ in one if name in told)


@contextmanager
def _folder(run: Copy) -> Iterator[Path]:
    """A new folder below the table's data; it is removed when nothing was committed from it."""
    folder = Path(run.raw.table.location().removeprefix("file://")) / "data" / f"jdbc-{uuid.uuid4()}"
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _session(settings: Settings) -> SparkSession:
    spark = shared_session(settings)
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    return spark


@contextmanager
def _clear_errors(run: Copy) -> Iterator[None]:
    """Spark's failures as one line. But for values that their column's policy refuses, another try may help."""
    try:
        yield
    except (Py4JError, PySparkException) as error:
        name = run.table.raw_name
        text = str(error)
        if any(column.policy == "fail" for column in run.table.columns) and run.dialect.range_error in text:
            raise ContractError(
                f"{name}: a value does not fit the type of its column ({_cause(text)}); correct it in the source, or "
                "set out_of_range: keep_text for this column in config/sources.yaml"
            ) from error
        raise RetryableError(f"{name}: Spark: {_cause(text)}") from error


def _cause(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by:")]
    return ([*causes[-1:], *lines] or ["no reason given"])[0][:300]
