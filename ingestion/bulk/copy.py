"""The `copy` engine: the dialect's reader to Arrow to our writer, several readers within a table."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from pyiceberg.table import Table

from ingestion.bulk.dialects.base import Dialect, Reader, Snapshot
from ingestion.bulk.marks import Finished, Mark, View, mark_in, moved
from ingestion.bulk.model import SourceTable
from ingestion.bulk.rows import RowMaker
from ingestion.bulk.typed import out_of_range
from ingestion.errors import ContractError, FrazilError
from ingestion.lake.append import AppendTable, Marks
from ingestion.lake.datafile import WrittenFile

Total = Callable[[], tuple[int, str]]
Prove = Callable[[str], Total | None]  # of a chunk's predicate


class StoppedError(FrazilError):
    """The load was told to stop; what is committed stays, and the same command goes on from there."""


@dataclass
class Copy:
    """One run over one table: what an engine needs to bring the chunks that are not committed into raw.

    `advance` is told of rows as they are read (negative: they are read again). With `is_proven` the source's own count
    and hash of each chunk are taken in the same view and kept in the mark. `out_of_range` counts, by raw column, the
    values of committed chunks that their column's type could not hold.
    """

    dialect: Dialect
    table: SourceTable
    raw: AppendTable
    run_id: str
    plan: Mark
    stop: threading.Event
    advance: Callable[[int], None]
    is_proven: bool = True
    out_of_range: Counter[str] = field(default_factory=Counter)

    def mark(self) -> Mark:
        """The stored mark, as last seen."""
        return mark_in(self.raw.table, self.run_id, self.plan)


def copy_chunks(run: Copy, snapshot: Snapshot, readers: int) -> None:
    """Read and commit what is left, chunk by chunk; the first error stops the other readers and is raised."""
    left = deque(run.mark().remaining)
    failed = threading.Event()
    view = View.of(snapshot.position)

    def work() -> None:
        try:
            with snapshot.reader() as reader, _prover(run, snapshot, reader) as prove:
                reader.hold(run.table)
                while not failed.is_set():
                    try:
                        number = left.popleft()
                    except IndexError:
                        return
                    _copy_chunk(run, reader, prove, view, number, failed)
        except BaseException:
            failed.set()
            raise

    count = max(1, min(readers, len(left)))
    if count == 1:
        work()
        return
    with ThreadPoolExecutor(count, thread_name_prefix=run.table.name) as pool:
        done = [pool.submit(work) for _ in range(count)]
        wait(done)
    errors = [error for error in (one.exception() for one in done) if error is not None]
    for error in sorted(errors, key=lambda found: isinstance(found, StoppedError)):
        raise error


@contextmanager
def _prover(run: Copy, snapshot: Snapshot, reader: Reader) -> Iterator[Prove]:
    """Takes a chunk's count and hash in the same view: while it is read, by a connection of its own, if one is free."""
    if not run.is_proven:
        yield lambda predicate: None
        return
    with snapshot.spare() as other, ThreadPoolExecutor(1, thread_name_prefix="proof") as pool:
        if other is None:
            yield lambda predicate: partial(source_total, run, reader, predicate)
        else:
            other.hold(run.table)
            yield lambda predicate: pool.submit(source_total, run, other, predicate).result


def _copy_chunk(run: Copy, reader: Reader, prove: Prove, view: View, number: int, failed: threading.Event) -> None:
    chunk = run.plan.chunks[number].chunk()
    maker = RowMaker(run.table, view, chunk.id)
    rows = 0
    counts: Counter[str] = Counter()
    total = prove(chunk.predicate)
    try:
        with run.raw.new_file(run.run_id) as file:
            for batch in reader.read(run.table, chunk):
                if run.stop.is_set() or failed.is_set():
                    raise StoppedError(f"{run.table.raw_name}: stopped")
                if batch.num_rows:
                    counts.update(out_of_range(batch))
                    file.write(maker.made(batch))
                    rows += batch.num_rows
                    run.advance(batch.num_rows)
            proof = None if total is None else proven(run, chunk.predicate, rows, total())
            files = [file.finish()] if rows else []
    except BaseException:
        run.advance(-rows)
        raise

    def finished(files: Sequence[WrittenFile]) -> dict[int, Finished]:
        return {number: Finished(rows, proof, files[0].loaded_at if files else 0, sum(counts.values()))}

    commit_chunks(run, view, files, finished)
    run.out_of_range.update(counts)


def source_total(run: Copy, reader: Reader, predicate: str) -> tuple[int, str]:
    """Count and hash of a chunk, as the source has them in the reader's view."""
    count, found = reader.fetch(run.dialect.row_hash(run.table, predicate))[0]
    return int(count), str(found)


def proven(run: Copy, predicate: str, rows: int, total: tuple[int, str]) -> str:
    """The hash of the source's `total`; raises ContractError unless it is of as many rows as were read."""
    count, found = total
    if count != rows:
        raise ContractError(
            f"{run.table.raw_name}: read {rows} rows where the source counts {count} ({predicate or 'all'}); "
            "nothing of this chunk is kept; load the table again"
        )
    return found


def commit_chunks(
    run: Copy,
    view: View,
    files: Sequence[WrittenFile],
    finished: Callable[[Sequence[WrittenFile]], dict[int, Finished]],
    *,
    stamps_age: bool = True,
) -> None:
    """Commit the files of chunks with their mark; files of chunks that another process committed are deleted.

    `finished` says which chunks are in the files, which may have been stamped anew.
    """

    def decide(table: Table, held: Sequence[WrittenFile]) -> Marks | None:
        chunks = finished(held)
        done = mark_in(table, run.run_id, run.plan).done
        return None if done.keys() & chunks.keys() else moved(table, run.run_id, run.plan, view, chunks)

    run.raw.commit(files, decide, stamps_age=stamps_age)
