"""The `jdbc` engine: Spark reads the typed projection of many chunks at once, its Python workers make rows and files
of it as the `copy` engine does, and we commit them.

A group of chunks is one Spark job and one commit, by the same writer and with the same mark as the copy engine's. So
a killed load repeats a group at most, and the files of a job that died are of no table.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import reduce

from py4j.protocol import Py4JError
from pyspark import Accumulator
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from ingestion.bulk.copy import Copy, StoppedError, commit_chunks, proven, source_total
from ingestion.bulk.dialects.base import Jdbc, Reader, Snapshot
from ingestion.bulk.marks import Finished, View
from ingestion.bulk.model import Chunk
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.sparkrows import ChunkFile, ChunkWriter, chunk_frame, written
from ingestion.errors import ContractError, PermanentError, RetryableError
from ingestion.lake.datafile import WrittenFile, new_location
from ingestion.runtime.spark import shared_session
from ingestion.settings import Settings

_GROUP = 16  # chunks of one Spark job
_FULL_DISK = "No space left on device"


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
    targets = {
        number: ChunkFile(chunks[number].id, now + place, new_location(run.raw.table, now + place))
        for place, number in enumerate(numbers)
    }
    with _removed(run, targets), _clear_errors(run), ThreadPoolExecutor(1, thread_name_prefix="proof") as pool:
        totals = pool.submit(_totals, run, reader, chunks) if run.is_proven and view.is_exact else None
        spark = shared_session(settings)
        with _followed(run, spark) as counted:
            frames = [chunk_frame(spark, run.dialect, jdbc, run.table, chunks[number], number) for number in numbers]
            writer = ChunkWriter(run.raw.table, run.table, view, run.run_id, targets, counted)
            done = written(reduce(DataFrame.union, frames), writer)
        rows_of = dict.fromkeys(numbers, 0) | {number: one.file.rows for number, one in done.items()}
        proofs: dict[int, str | None] = {}
        if totals is not None:
            proofs = {
                one: proven(run, chunks[one].predicate, rows_of[one], total) for one, total in totals.result().items()
            }

        if not view.is_exact:
            reader.fetch("select 1")  # fails if the connection that kept the table from being altered is gone

        def finished(_: Sequence[WrittenFile]) -> dict[int, Finished]:
            empty = {number: Finished(0, proofs.get(number), 0, 0) for number in numbers}
            return empty | {
                number: Finished(one.file.rows, proofs.get(number), one.file.loaded_at, one.misfits.total())
                for number, one in done.items()
            }

        commit_chunks(run, view, [one.file for one in done.values()], finished, stamps_age=False)
    for one in done.values():
        run.out_of_range.update(one.misfits)


def _totals(run: Copy, reader: Reader, chunks: Mapping[int, Chunk]) -> dict[int, tuple[int, str]]:
    """The source's counts and hashes, taken beside Spark's reading by a connection of their own in the same view."""
    found = {}
    for number, chunk in chunks.items():
        if run.stop.is_set():
            raise StoppedError(f"{run.table.raw_name}: stopped")
        found[number] = source_total(run, reader, chunk.predicate)
    return found


@contextmanager
def _followed(run: Copy, spark: SparkSession) -> Iterator[Accumulator[int]]:
    """What Spark's tasks add to the counter when they end is told to the run, and taken back if the job fails; a run
    that is told to stop interrupts the job."""
    context = spark.sparkContext
    counted = context.accumulator(0)
    tag, ended = f"frazil-{uuid.uuid4()}", threading.Event()

    def follow() -> None:
        told = 0
        while not ended.wait(0.5):
            run.advance(counted.value - told)
            told = counted.value
            if run.stop.is_set():
                context.cancelJobsWithTag(tag)
        run.advance((0 if has_failed else counted.value) - told)

    has_failed = True
    context.addJobTag(tag)
    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield counted
        has_failed = False
    finally:
        context.removeJobTag(tag)
        ended.set()
        thread.join()


@contextmanager
def _removed(run: Copy, targets: Mapping[int, ChunkFile]) -> Iterator[None]:
    """The files are deleted when nothing was committed of them."""
    try:
        yield
    except BaseException:
        for target in targets.values():
            with contextlib.suppress(OSError):
                run.raw.table.io.delete(target.location)
        raise


@contextmanager
def _clear_errors(run: Copy) -> Iterator[None]:
    """Spark's failures as one line. But for a full disk and for values that their column's policy refuses, another try
    may help."""
    try:
        yield
    except (Py4JError, PySparkException) as error:
        name = run.table.raw_name
        text = str(error)
        if run.stop.is_set():
            raise StoppedError(f"{name}: stopped") from error
        if _FULL_DISK in text:
            raise PermanentError(f"{name}: the disk of the lake is full ({_FULL_DISK}); make room") from error
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
