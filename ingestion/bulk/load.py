"""A source's tables into raw: one position and one snapshot for all of them, several tables at the same time."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.bulk.dialects.base import Dialect, by_name
from ingestion.bulk.marks import marks_of, newest_complete, resumable
from ingestion.bulk.model import SourceTable
from ingestion.bulk.notify import tell_again
from ingestion.bulk.progress import Board
from ingestion.bulk.selection import passed_over, selected
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.state import State
from ingestion.bulk.table_load import Job, Outcome, SharedView, TableLoad
from ingestion.cdc.announce import announced
from ingestion.errors import FrazilError
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the command line decides; None leaves it to the source's file."""

    table_filter: str | None = None
    tables: tuple[str, ...] = ()
    parallel_tables: int | None = None
    parallel_workers: int | None = None
    is_resumed: bool = True
    is_proven: bool = True
    engine: str = "auto"


@dataclass(frozen=True)
class Intent:
    """What a load would do with a table: begin, resume (so many chunks are left), or nothing: it is complete."""

    table: str
    source_table: str
    intent: str
    rows: int
    bytes: int
    chunks_left: int | None = None


class Load:
    """One `frazil bulk load`. `stop` may be set by another thread: what is being read is given up, commits end.

    `left_out` is what a run does not read, with the reason.
    """

    def __init__(self, settings: Settings, source: DatabaseSource, options: Options) -> None:
        self.stop = threading.Event()
        self.left_out: dict[str, str] = {}
        self._settings = settings
        self._source = source
        self._options = options
        self._dialect: Dialect = by_name(source.dialect)

    @property
    def engine(self) -> str:
        """The engine that `auto` stands for."""
        if self._options.engine != "auto":
            return self._options.engine
        return "jdbc" if self._source.dialect == "oracle" else "copy"

    def intents(self) -> list[Intent]:
        """What `run` would do, table by table; reads only."""
        tables = self._tables()
        catalog = open_catalog(self._settings)
        try:
            return [self._intent(catalog, table) for table in tables]
        finally:
            catalog.close()

    def run(self, board: Board) -> list[Outcome]:
        """Load every chosen table; one outcome for each, in their order.

        Raises UsageError for a wrong source, name or filter, before anything is read; failures of single tables are
        in their outcomes.
        """
        tables = self._tables()
        chosen = self._options.table_filter, self._options.tables
        self.left_out = passed_over(self._source, self._dialect, tables, *chosen)
        catalog = open_catalog(self._settings)
        try:
            outcomes = self._run(catalog, board, tables)
            if "cdc" in self._source.modes:
                self._show_connector(catalog)
            return outcomes
        finally:
            catalog.close()

    def _run(self, catalog: Catalog, board: Board, tables: Sequence[SourceTable]) -> list[Outcome]:
        if "cdc" in self._source.modes:
            self._dialect.prepare_log(self._source)  # the log is kept from before the snapshot on
        tell_again(catalog, self._source)
        readers = self._options.parallel_tables or self._source.parallel_tables
        job = Job(
            settings=self._settings,
            source=self._source,
            dialect=self._dialect,
            catalog=catalog,
            state=State(catalog, self._settings.home_dir),
            board=board,
            stop=self.stop,
            readers=readers,
            is_resumed=self._options.is_resumed,
            is_proven=self._options.is_proven,
            engine=self.engine,
        )
        finished = {one.table: one for table in tables if (one := TableLoad(job, table).skipped()) is not None}
        wanted = [table for table in tables if table.raw_name not in finished]
        done = {**finished, **self._loaded(job, wanted)} if wanted else finished
        return [done[table.raw_name] for table in tables]

    def _loaded(self, job: Job, tables: Sequence[SourceTable]) -> dict[str, Outcome]:
        """The outcomes of loading `tables`, by raw name."""
        workers = min(self._options.parallel_workers or self._source.parallel_workers, len(tables))
        connections = job.connections * workers
        with announced(job.catalog, self._source, self._dialect, tables, connections) as snapshot:
            shared = SharedView(snapshot)
            with ThreadPoolExecutor(workers, thread_name_prefix="table") as pool:
                largest_first = sorted(self._as_they_are(tables), key=lambda table: -table.bytes)
                running = {table.raw_name: pool.submit(TableLoad(job, table).run, shared) for table in largest_first}
                self._wait(list(running.values()))
        return {name: future.result() for name, future in running.items()}

    def _show_connector(self, catalog: Catalog) -> None:
        """What is loaded stays loaded where Kafka is not set up yet, or no copy is complete: `cdc register` says so."""
        from ingestion.cdc.shown import show_connector  # what it needs takes a tenth of a second to load

        more = {"source": self._source.name}
        try:
            file = show_connector(self._settings, catalog, self._source)
        except FrazilError as error:
            log.warning("connector_not_shown", extra={**more, "reason": str(error)})
        else:
            log.info("connector_shown", extra={**more, "file": str(file)})

    def _wait(self, running: Sequence[Future[Outcome]]) -> None:
        """Until all are done; an interrupt stops them first, and they still say what became of their tables."""
        try:
            wait(running)
        except KeyboardInterrupt:
            self.stop.set()
            wait(running)

    def _as_they_are(self, tables: Sequence[SourceTable]) -> list[SourceTable]:
        """The tables as found after the snapshot was taken: it may see a column that was added before it."""
        now = {table.raw_name: table for table in self._dialect.tables(self._source)}
        return [now.get(table.raw_name, table) for table in tables]

    def _tables(self) -> list[SourceTable]:
        return selected(
            self._source, self._dialect.tables(self._source), self._options.table_filter, self._options.tables
        )

    def _intent(self, catalog: Catalog, table: SourceTable) -> Intent:
        facts = (table.raw_name, f"{table.schema}.{table.name}")
        try:
            stored = catalog.load_table(table.raw_name)
        except NoSuchTableError:
            return Intent(*facts, "begin", table.rows, table.bytes)
        if not self._options.is_resumed:
            return Intent(*facts, "begin", table.rows, table.bytes)
        found = resumable(stored, table)
        if found:
            left = [found[1].chunks[number] for number in found[1].remaining]
            rows, size = sum(chunk.rows for chunk in left), sum(chunk.bytes for chunk in left)
            return Intent(*facts, "resume", rows, size, len(left))
        complete = newest_complete(stored)
        if complete and next(reversed(marks_of(stored))) == complete[0]:
            return Intent(*facts, "complete", 0, 0, 0)
        return Intent(*facts, "begin", table.rows, table.bytes)
