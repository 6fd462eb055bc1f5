"""The one way from the journals into the lake: each journalled event becomes a raw or a quarantine row exactly once.

A flush reads the next entries of every journal it holds, splits them, and appends once to each table concerned; the
append carries how far each journal was read. Entries are deleted when every table has committed. After a crash in
between, rows that a table's mark covers are skipped, so nothing is written twice and nothing is left out.
"""

import contextlib
import gc
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And

from ingestion.bulk.declared import ensure_declared
from ingestion.errors import ContractError, RetryableError, UsageError
from ingestion.lake.append import MARK_PREFIX, AppendTable, Commit, now
from ingestion.lake.batch import Batch, Counts, Splits
from ingestion.lake.catalog import open_catalog
from ingestion.lake.journals import HeldJournal, HeldJournals
from ingestion.lake.metrics import COMMIT_SECONDS, ENTRIES, RETRIES, ROWS
from ingestion.lake.polled import PolledTables
from ingestion.lake.quarantine import COLUMNS as QUARANTINE_COLUMNS
from ingestion.lake.quarantine import QUARANTINE
from ingestion.lake.tables import ensure_table
from ingestion.poll.poller import POLL
from ingestion.poll.reader import PolledRows
from ingestion.settings import Settings
from ingestion.webhooks.events import Reader, raw_schema
from ingestion.webhooks.sources import SourceConfig, load_sources

log = logging.getLogger(__name__)

_DAY = 86_400_000_000  # microseconds
_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell
_CHUNK = 4 << 20  # bytes of a journal that are in memory before they are split


@dataclass(frozen=True)
class Limits:
    """What one flush takes at most; the rest waits for the next, so memory does not depend on the backlog."""

    events: int = 20_000
    bytes: int = 16 << 20


@dataclass(frozen=True)
class Flush:
    """What one flush did; `seconds` is the time of its commits and of clearing the journals."""

    counts: Counts
    commits: list[Commit]
    seconds: float


@contextlib.contextmanager
def _rows_only() -> Iterator[None]:
    """Millions of new tuples, none of them in a cycle: looking for cycles among them took a tenth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Sink:
    """Drains all journals of the settings' state folder that no other process drains.

    The sources' files are read again when one changes. An object belongs to one thread.
    """

    def __init__(self, settings: Settings, limits: Limits | None = None, clock: Callable[[], int] = now) -> None:
        _use_steady_memory()
        self.run_id = str(uuid.uuid4())
        self.journals = HeldJournals(settings.journal_dir)
        self._settings = settings
        self._limits = limits or Limits()
        self._clock = clock
        self._catalog = open_catalog(settings)
        self._files: dict[str, int] | None = None
        self._readers: dict[str, Splits] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._tables: dict[str, AppendTable] = {}
        self._polled = PolledTables(self._catalog, self._schemas, self._tables, clock)
        self._turn = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._configure()

    def flushes(self) -> Generator[Flush, None, None]:
        """Bring into the lake what waits, flush after flush; none when nothing waits.

        The next batch is read and split while the last one is written. Ends when all that was there at the last look
        is committed. Raises RetryableError when a commit could not be made: what was committed stays and is skipped
        next time.
        """
        self._configure()
        pending: Future[Flush] | None = None
        finished = False
        try:
            more = True
            while more:
                batch = self._read()
                more = self._is_full(batch)  # then more may wait
                if pending is not None:
                    yield pending.result()
                pending = self._writer.submit(self._write, batch) if batch.read else None
            if pending is not None:
                yield pending.result()
            finished = True
        except (sqlite3.Error, OSError) as error:
            raise RetryableError(f"a journal cannot be read or cleared now: {error}") from error
        finally:
            if not finished:  # a batch may have been read and not committed: only the marks know
                if pending is not None:
                    wait([pending])
                self.journals.restart()

    def commit(self, table: str, batch: Batch[Any], *, is_fenced: bool = False) -> Commit:
        """Append the batch's rows of one table, if any, together with its marks; `is_fenced`: only if these still are
        what they were when the rows were chosen."""
        parts = batch.rows.pop(table, None)
        rows = pa.concat_tables(parts, promote_options="default") if parts else None
        before = batch.marks_before(table) if is_fenced else None
        into = self._tables[table]
        done = into.append(rows, self.run_id, batch.marks(), before=before, notes=batch.notes.get(table))
        ROWS.labels(table).inc(done.rows)
        RETRIES.labels(table).inc(done.tries - 1)
        COMMIT_SECONDS.labels(table).observe(done.seconds)
        return done

    def new_batch(self) -> Batch[Any]:
        """An empty one, after a look at whether the sources' files have changed."""
        self._configure()
        return self._new_batch()

    def table(self, name: str) -> AppendTable | None:
        """A raw table of the sources, or of polled rows when it is there."""
        if name not in self._tables:
            self._polled.columns(name, frozenset())
        return self._tables.get(name)

    def begin_at(self, journal: str, seq: int, home: str) -> None:
        """Let `journal` be read from behind `seq` on, also where tables have more of it: what it has there is new."""
        self.table(home)
        for name in sorted(self._tables, key=lambda name: name == home):  # the home's mark decides: it is the last
            table = self._tables[name]
            table.table.refresh()
            if name == home or journal in table.marks():
                table.append(None, self.run_id, {}, notes={MARK_PREFIX + journal: str(seq)})

    def close(self) -> None:
        """Give the journals back; what was not flushed stays in them."""
        self._writer.shutdown()
        self.journals.close()
        self._catalog.close()

    def _write(self, batch: Batch[HeldJournal]) -> Flush:
        started = time.monotonic()
        commits = [self.commit(table, batch) for table in sorted(batch.rows)]
        for journal, last in batch.read.items():
            journal.forget(last)
        ENTRIES.inc(batch.counts.entries)
        return Flush(batch.counts, commits, time.monotonic() - started)

    @_rows_only()
    def _read(self) -> Batch[HeldJournal]:
        held = self.journals.refresh()
        batch: Batch[HeldJournal] = self._new_batch()
        self._turn += 1
        for place in range(len(held)):
            journal = held[(place + self._turn) % len(held)]
            while not self._is_full(batch):
                room = min(self._limits.bytes - batch.bytes, _CHUNK)
                entries = journal.read(self._limits.events - batch.counts.entries, room)
                if not entries:
                    break
                batch.take(journal, entries)
        batch.finish()
        return batch

    def _new_batch(self) -> Batch[Any]:
        return Batch(
            self._readers, self._schemas, lambda table, journal: self._tables[table].mark(journal), self._present
        )

    def _present(self, table: str, ids: Sequence[str], since: int) -> set[str]:
        """See Batch. Clocks may have been set back by less than a day."""
        name = "quarantine_id" if table == QUARANTINE else "_event_id"
        loaded = _BY_NAME.GreaterThanOrEqual("_loaded_at", since - _DAY)
        scan = self._tables[table].table.scan(And(loaded, _BY_NAME.In(name, set(ids))), selected_fields=(name,))
        return set(scan.to_arrow()[name].to_pylist())

    def _is_full(self, batch: Batch[HeldJournal]) -> bool:
        return batch.counts.entries >= self._limits.events or batch.bytes >= self._limits.bytes

    def _configure(self) -> None:
        folder = self._settings.config_dir / "webhooks"
        files = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.yaml")}
        if files == self._files:
            return
        first = self._files is None
        try:
            sources = {} if first and not files else load_sources(self._settings.config_dir)  # rows may be polled alone
            readers: dict[str, Splits] = {name: Reader(source) for name, source in sources.items()}
            schemas = ensure_tables(self._catalog, sources)
        except (UsageError, ContractError) as error:
            if first:
                raise
            log.error("sources_not_reread", extra={"reason": str(error)})  # the ones in use stay in use
            self._files = files
            return
        readers[POLL] = PolledRows(self._polled.columns)
        self._readers = readers
        self._schemas.update(schemas)
        self._tables.update({name: AppendTable(self._catalog, name, self._clock) for name in schemas})
        self._files = files  # last: what failed on the way is read again


def _use_steady_memory() -> None:
    """Let Arrow keep the memory of a batch for the next one: with mimalloc a flush takes 14 % more CPU time."""
    with contextlib.suppress(NotImplementedError):  # a build of pyarrow without it
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def ensure_tables(catalog: Catalog, sources: Mapping[str, SourceConfig]) -> dict[str, pa.Schema]:
    """Create or widen the raw table of every object and the quarantine; returns their columns by table name.

    The tables that models of databases read are made, too: they must be there before their first load.
    """
    schemas = {
        f"raw.{source.source}_{name}": raw_schema(source, name)
        for source in sources.values()
        for name in source.objects
    }
    schemas[QUARANTINE] = QUARANTINE_COLUMNS
    for name, columns in schemas.items():
        ensure_table(catalog, name, columns)
    ensure_declared(catalog)
    return schemas


def drain(settings: Settings, once: bool = True) -> Counts:
    """Bring what the journals hold into the lake and return what became of it.

    Stops when all that was there at the last look is committed, however fast more arrives; `once=False` goes on
    until an error. Raises RetryableError when something must be tried again, JournalsBusyError when all journals
    belong to another sink.
    """
    total = Counts()
    sink = Sink(settings)
    try:
        while True:
            for done in sink.flushes():
                total.add(done.counts)
            total.unreadable = {str(path): reason for path, reason in sink.journals.unreadable.items()}
            if once:
                return total
            time.sleep(1.0)
    finally:
        sink.close()
