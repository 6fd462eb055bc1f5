"""One table from the source to raw: go on with an unfinished copy or begin one, and try again what may pass."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import tenacity
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.copy import Copy, StoppedError, copy_chunks
from ingestion.bulk.dialects.base import Dialect, Snapshot, TableChangedError
from ingestion.bulk.discard import discard
from ingestion.bulk.lake_errors import lake_errors
from ingestion.bulk.marks import Mark, column_print, marks_of, newest_complete, planned, resumable
from ingestion.bulk.model import SourceTable
from ingestion.bulk.notify import follow
from ingestion.bulk.plan import chunk_target
from ingestion.bulk.progress import Board
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.state import State, TableStatus, status_of
from ingestion.cdc.announce import announced
from ingestion.errors import ContractError, FrazilError, PermanentError, RetryableError
from ingestion.lake.append import AppendTable
from ingestion.lease import lease
from ingestion.settings import Settings

log = logging.getLogger(__name__)

Status = Literal["loaded", "complete", "busy", "interrupted", "failed"]
_LONGEST_PAUSE = 60.0


class BusyError(RetryableError):
    """Another process is loading this table."""


@dataclass(frozen=True)
class Outcome:
    """What became of one table; `complete` was so before, `busy` is being loaded by another process.

    `out_of_range` counts values that their raw type could not hold, `discarded` rows that went to the quarantine
    instead; `is_contract_broken` says why it failed. `is_torn`: rows of one copy are of different moments of a source
    without a change stream.
    """

    table: str
    source_table: str
    status: Status
    rows: int = 0
    chunks: int = 0
    seconds: float = 0.0
    consistency: str | None = None
    position: str | None = None
    run_id: str | None = None
    attempts: int = 0
    error: str | None = None
    resume: str | None = None
    out_of_range: int = 0
    discarded: int = 0
    is_contract_broken: bool = False
    is_torn: bool = False


@dataclass(frozen=True)
class Job:
    """What all tables of one load share."""

    settings: Settings
    source: DatabaseSource
    dialect: Dialect
    catalog: Catalog
    state: State
    board: Board
    stop: threading.Event
    readers: int
    is_resumed: bool
    is_proven: bool
    engine: str

    @property
    def connections(self) -> int:
        """How many a table takes at most: a reader that proves has a second one."""
        return self.readers * 2 if self.is_proven else self.readers


class SharedView:
    """The load's one snapshot; a table whose reader failed asks whether it is still there."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def is_alive(self) -> bool:
        """Twice: a connection that was lost while nobody used it fails at its next statement, and is replaced then."""
        return self._answers() or self._answers()

    def _answers(self) -> bool:
        try:
            with self.snapshot.reader() as reader:
                reader.fetch("select 1")
        except FrazilError:
            return False
        return True


class TableLoad:
    """One table of a job; belongs to one thread."""

    def __init__(self, job: Job, table: SourceTable) -> None:
        self._job = job
        self._table = table  # as its contract lets it be read
        self._found = table
        self._attempts = 0
        self._discarded = 0
        self._run: tuple[str, Mark] | None = None
        self._raw: AppendTable | None = None
        self._is_view_spent = False  # the load's snapshot does not see this table any more

    def skipped(self) -> Outcome | None:
        """The outcome if there is nothing to load: no snapshot need be taken or announced for this table."""
        complete = self._complete() if self._job.is_resumed else None
        return self._outcome("complete", *complete, time.monotonic()) if complete else None

    def run(self, shared: SharedView) -> Outcome:
        """Load the table; every failure is in the outcome, none is raised."""
        started = time.monotonic()
        try:
            with lake_errors(self._table.raw_name), self._alone():
                return self._loaded(shared, started)
        except BusyError as error:
            return Outcome(self._table.raw_name, self._source_table, "busy", error=str(error))
        except FrazilError as error:
            return self._stopped("failed", str(error), started)

    @property
    def _source_table(self) -> str:
        return f"{self._table.schema}.{self._table.name}"

    def _loaded(self, shared: SharedView, started: float) -> Outcome:
        complete = self._complete() if self._job.is_resumed else None
        if complete:
            return self._outcome("complete", *complete, started)
        board, name = self._job.board, self._table.raw_name
        board.begin(name, self._table.rows)
        try:
            self._with_retries(shared)
        except StoppedError:
            return self._stopped("interrupted", None, started)
        except FrazilError as error:
            stopped = self._stopped("failed", str(error), started)
            return replace(stopped, is_contract_broken=isinstance(error, ContractError))
        except Exception as error:  # the other tables go on
            log.exception("load_failed", extra={"source": self._job.source.name, "table": name})
            return self._stopped("failed", f"{type(error).__name__}: {error}", started)
        finally:
            board.end(name)
        assert self._raw is not None
        assert self._run is not None
        run_id = self._run[0]
        mark = marks_of(self._raw.table)[run_id]
        self._job.state.complete(name, {run_id: mark})
        if self._is_torn(mark):
            log.warning("copy_is_torn", extra={"source": self._job.source.name, "table": name, "run_id": run_id})
        return self._outcome("loaded", run_id, mark, started)

    def _is_torn(self, mark: Mark) -> bool:
        """Whether rows of different moments are left as they are: no change stream will bring them in step."""
        return mark.consistency == "per_chunk" and "cdc" not in self._job.source.modes

    def _complete(self) -> tuple[str, Mark] | None:
        """The newest complete copy, if there is no unfinished one after it; records it if that was missed."""
        try:
            table = self._job.catalog.load_table(self._table.raw_name)
        except NoSuchTableError:
            return None
        marks = marks_of(table)
        found = newest_complete(table)
        if found is None or next(reversed(marks)) != found[0]:
            return None
        self._job.state.complete(self._table.raw_name, dict([found]))
        return found

    def _with_retries(self, shared: SharedView) -> None:
        source = self._job.source
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(source.max_retries + 1),
            wait=tenacity.wait_exponential_jitter(
                multiplier=source.retry_backoff, max=_LONGEST_PAUSE, jitter=source.retry_backoff
            ),
            retry=tenacity.retry_if_exception_type(RetryableError),
            sleep=self._pause,
            before_sleep=self._say,
            reraise=True,
        )
        retrying(self._attempt, shared)

    def _attempt(self, shared: SharedView) -> None:
        self._attempts += 1
        try:
            with lake_errors(self._table.raw_name), self._view(shared) as snapshot:
                self._load(snapshot)
        except TableChangedError:
            self._is_view_spent = True
            raise

    def _load(self, snapshot: Snapshot) -> None:
        self._prepare(snapshot)
        assert self._raw is not None
        assert self._run is not None
        run_id, plan = self._run
        job = self._job
        run = Copy(
            dialect=job.dialect,
            table=self._table,
            raw=self._raw,
            run_id=run_id,
            plan=plan,
            stop=job.stop,
            advance=lambda rows: job.board.advance(self._table.raw_name, rows),
            is_proven=job.is_proven,
        )
        self._discarded = discard(job.catalog, job.source.name, self._found, self._table, snapshot, run_id)
        if self._discarded:
            more = {"table": self._table.raw_name, "rows": self._discarded}
            log.warning("rows_discarded", extra={"source": job.source.name, **more})
        if plan.engine == "jdbc":
            from ingestion.bulk.jdbc import jdbc_chunks

            jdbc_chunks(run, snapshot, job.source, job.settings)
        else:
            copy_chunks(run, snapshot, job.readers)
        if run.out_of_range:
            more = {"table": self._table.raw_name, "columns": dict(run.out_of_range)}
            log.warning("values_out_of_range", extra={"source": job.source.name, **more})
        if run.mark().completed_at is None:
            raise RetryableError(f"{self._table.raw_name}: another process took its mark; run the command again")

    def _same_columns(self) -> None:
        """Raises PermanentError if the source's table is not what it was when the load began."""
        found = {table.raw_name: table for table in self._job.dialect.tables(self._job.source)}
        now = found.get(self._table.raw_name)
        if now is None or column_print(now) != column_print(self._found):
            raise PermanentError(
                f"{self._source_table}: its columns changed after the load began; run the command again"
            )

    @contextmanager
    def _view(self, shared: SharedView) -> Iterator[Snapshot]:
        """The load's snapshot at the first attempt and as long as it lives; else a new one for this table alone."""
        if self._attempts == 1 or (not self._is_view_spent and shared.is_alive()):
            yield shared.snapshot
            return
        job = self._job
        with announced(job.catalog, job.source, job.dialect, [self._found], job.connections) as snapshot:
            self._same_columns()  # it may see columns that the copy lacks
            yield snapshot

    def _prepare(self, snapshot: Snapshot) -> None:
        """Make the raw table; find the copy to go on with, or plan a new one."""
        if self._raw is None:
            self._table = follow(self._job.catalog, self._job.source, self._found)
            self._raw = AppendTable(self._job.catalog, self._table.raw_name)
            if self._job.is_resumed:
                self._run = resumable(self._raw.table, self._table)
        else:
            self._raw.table.refresh()
            self._run = self._continued(snapshot)
        if self._run is None:
            by_key = bool(self._table.key)
            target = chunk_target(self._table.bytes, self._job.source.chunk_bytes, self._job.readers)
            with snapshot.reader() as reader:
                chunks = self._job.dialect.chunks(reader, self._table, target, by_key=by_key)
            plan = planned(self._job.source.name, self._table, self._job.engine, chunks, by_key=by_key)
            self._run = str(uuid.uuid4()), plan
        mark = marks_of(self._raw.table).get(self._run[0])
        self._job.state.save(
            [self._status("loading", *self._run) if mark is None else self._status("loading", self._run[0], mark)]
        )

    def _continued(self, snapshot: Snapshot) -> tuple[str, Mark] | None:
        """This load's own copy after a failed attempt, unless its plan means nothing in a newer snapshot."""
        assert self._raw is not None
        if self._run is None:
            return None
        run_id, plan = self._run
        mark = marks_of(self._raw.table).get(run_id)
        if plan.by_key or mark is None or all(view.snapshot == snapshot.position.snapshot for view in mark.views):
            return run_id, plan
        return None

    def _status(self, status: str, run_id: str, mark: Mark, **more: Any) -> TableStatus:
        return status_of(self._table.raw_name, run_id, mark, status=status, attempts=self._attempts, **more)

    def _outcome(self, status: Status, run_id: str, mark: Mark, started: float, error: str | None = None) -> Outcome:
        view = mark.first_view
        done = len(mark.done)
        outcome = Outcome(
            table=self._table.raw_name,
            source_table=self._source_table,
            status=status,
            rows=mark.rows,
            chunks=done,
            seconds=round(time.monotonic() - started, 3),
            consistency=mark.consistency if done else None,
            position=view.position if view else None,
            run_id=run_id,
            attempts=self._attempts,
            error=error,
            resume=None if status in ("loaded", "complete") else self._resume(),
            out_of_range=mark.out_of_range,
            discarded=self._discarded,
            is_torn=bool(mark.completed_at) and self._is_torn(mark),
        )
        if status != "complete":
            self._save(self._status(status, run_id, mark, error=error))
        return outcome

    def _stopped(self, status: Status, error: str | None, started: float) -> Outcome:
        if self._run is not None:
            run_id, plan = self._run
            mark = marks_of(self._raw.table).get(run_id, plan) if self._raw else plan
            return self._outcome(status, run_id, mark, started, error)
        self._save(
            TableStatus(
                self._job.source.name,
                self._table.raw_name,
                self._source_table,
                status,
                attempts=self._attempts,
                error=error,
            )
        )
        seconds = round(time.monotonic() - started, 3)
        return Outcome(
            self._table.raw_name,
            self._source_table,
            status,
            seconds=seconds,
            attempts=self._attempts,
            error=error,
            resume=self._resume(),
        )

    def _save(self, row: TableStatus) -> None:
        """The status is a projection: a lake that cannot take it must not hide what became of the table."""
        try:
            self._job.state.save([row])
        except (FrazilError, OSError, SQLAlchemyError) as error:
            log.warning("status_not_saved", extra={"table": row.table_name, "reason": str(error)})

    def _resume(self) -> str:
        return f"frazil bulk load {self._job.source.name} --tables {self._source_table}"

    def _pause(self, seconds: float) -> None:
        if self._job.stop.wait(seconds):
            raise StoppedError(f"{self._table.raw_name}: stopped")

    def _say(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        more = {"table": self._table.raw_name, "reason": str(error), "attempt": self._attempts}
        log.warning("load_retried", extra={"source": self._job.source.name, **more})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        name = self._table.raw_name

        def busy(holder: str) -> BusyError:
            return BusyError(f"{name} is being loaded by process {holder}: skipped")

        with lease(self._job.settings.home_dir / "bulk" / f"{name}.lock", busy):
            yield


def as_row(outcome: Outcome) -> dict[str, Any]:
    """An outcome for printing."""
    return asdict(outcome)
