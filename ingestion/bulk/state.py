"""`metadata.cdc_status` and `metadata.bulk_runs`: what the raw tables' own marks say, for people and for SQL.

Both can be made again from the marks (`rebuild`), except for the reasons of failures. Staging reads the rows of a
`_run_id` only if `metadata.bulk_runs` has it, and takes the one with the latest `completed_at` as newest.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.marks import Mark, marks_of
from ingestion.errors import RetryableError
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import LOADED_AT, RUN_ID, TIMESTAMP, ensure_table
from ingestion.lease import lease

STATUS, RUNS = "metadata.cdc_status", "metadata.bulk_runs"
_TRIES = 10

STATUS_COLUMNS = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("table_name", pa.string()),  # in the lake: raw.shop_orders
        pa.field("source_table", pa.string()),  # in the source: public.orders
        pa.field("status", pa.string()),  # loading, loaded, interrupted, failed
        pa.field("run_id", pa.string()),
        pa.field("engine", pa.string()),
        pa.field("consistency", pa.string()),  # snapshot: one view of the source; per_chunk: several
        pa.field("rows", pa.int64()),
        pa.field("chunks", pa.int64()),
        pa.field("chunks_loaded", pa.int64()),
        pa.field("out_of_range", pa.int64()),  # values that their raw type could not hold, whatever policy they met
        pa.field("position", pa.string()),  # of the earliest view
        pa.field("snapshot", pa.string()),  # what the earliest view sees; the other views are in the raw table's mark
        pa.field("log_start", pa.string()),  # where the change stream is to be read from
        pa.field("attempts", pa.int64()),
        pa.field("error", pa.string()),
        pa.field("started_at", TIMESTAMP),
        pa.field("updated_at", TIMESTAMP),
        pa.field("completed_at", TIMESTAMP),
    ]
)
RUNS_COLUMNS = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("table_name", pa.string()),
        pa.field("source_table", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("chunks", pa.int64()),
        pa.field("consistency", pa.string()),
        pa.field("position", pa.string()),
        pa.field("started_at", TIMESTAMP),
        pa.field("completed_at", TIMESTAMP),
        LOADED_AT,
        RUN_ID,
    ]
)


@dataclass(frozen=True)
class TableStatus:
    """One row of `metadata.cdc_status`."""

    source: str
    table_name: str
    source_table: str
    status: str
    run_id: str | None = None
    engine: str | None = None
    consistency: str | None = None
    rows: int = 0
    chunks: int = 0
    chunks_loaded: int = 0
    out_of_range: int = 0
    position: str | None = None
    snapshot: str | None = None
    log_start: str | None = None
    attempts: int = 0
    error: str | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None


def status_of(table_name: str, run_id: str, mark: Mark, **more: Any) -> TableStatus:
    """What a mark says, as a row of the status; `more` is what it cannot know."""
    view = mark.first_view
    found: dict[str, Any] = {
        "source": mark.source,
        "table_name": table_name,
        "source_table": mark.source_table,
        "status": "loaded" if mark.completed_at else "interrupted",
        "run_id": run_id,
        "engine": mark.engine,
        "consistency": mark.consistency,
        "rows": mark.rows,
        "chunks": len(mark.chunks),
        "chunks_loaded": len(mark.done),
        "out_of_range": mark.out_of_range,
        "position": view and view.position,
        "snapshot": view and view.snapshot,
        "log_start": view and view.start,
        "started_at": mark.started_at,
        "completed_at": mark.completed_at,
    }
    return TableStatus(**{**found, **more})


class State:
    """The two tables of one lake; changes of them by several processes wait for each other."""

    def __init__(self, catalog: Catalog, home: Path) -> None:
        self._catalog = catalog
        self._path = home / "bulk" / "state.lock"

    def save(self, changed: Iterable[TableStatus]) -> None:
        """Put these rows of the status in the place of the ones with the same source and table."""
        now = datetime.now(UTC)
        with self._alone():
            rows = {(row["source"], row["table_name"]): row for row in self.statuses()}
            for row in changed:
                rows[row.source, row.table_name] = {**asdict(row), "updated_at": now}
            self._replace(list(rows.values()))

    def complete(self, table_name: str, runs: Mapping[str, Mark]) -> None:
        """Record the complete ones among a table's copies, unless they are recorded already."""
        complete = {run_id: mark for run_id, mark in runs.items() if mark.completed_at}
        with self._alone():
            missing = {run_id: complete[run_id] for run_id in complete if run_id not in self._recorded(table_name)}
            if not missing:
                return
            ensure_table(self._catalog, RUNS, RUNS_COLUMNS)
            table = AppendTable(self._catalog, RUNS)
            for run_id, mark in missing.items():
                table.append(_run_row(table_name, mark), run_id, {})

    def statuses(self, source: str | None = None) -> list[dict[str, Any]]:
        """The rows of the status, of one source if named, in the order of their tables."""
        try:
            rows = self._catalog.load_table(STATUS).scan().to_arrow().to_pylist()
        except NoSuchTableError:
            return []
        found = [row for row in rows if source in (None, row["source"])]
        return sorted(found, key=lambda row: (row["source"], row["table_name"]))

    def rebuild(self) -> list[TableStatus]:
        """Make both tables anew from the marks in the raw tables; returns the rows of the status."""
        found = []
        for space, name in sorted(self._catalog.list_tables("raw")):
            table_name = f"{space}.{name}"
            marks = marks_of(self._catalog.load_table(table_name))
            if marks:
                self.complete(table_name, marks)
                run_id, mark = list(marks.items())[-1]
                found.append(status_of(table_name, run_id, mark))
        now = datetime.now(UTC)
        with self._alone():
            self._replace([{**asdict(row), "updated_at": now} for row in found])
        return found

    def _alone(self) -> AbstractContextManager[None]:
        return lease(self._path, lambda holder: RetryableError(f"{self._path} is held by process {holder}"), wait=True)

    def _recorded(self, table_name: str) -> set[str]:
        try:
            table = self._catalog.load_table(RUNS)
        except NoSuchTableError:
            return set()
        rows = table.scan(selected_fields=("table_name", RUN_ID.name)).to_arrow().to_pylist()
        return {row[RUN_ID.name] for row in rows if row["table_name"] == table_name}

    def _replace(self, rows: list[dict[str, Any]]) -> None:
        content = pa.Table.from_pylist(rows, schema=STATUS_COLUMNS)
        properties = {"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "5"}
        for _ in range(_TRIES):
            try:
                table = self._catalog.create_table_if_not_exists(STATUS, STATUS_COLUMNS, properties=properties)
                if len(table.schema().fields) < len(STATUS_COLUMNS):  # made before a column was added
                    with table.update_schema() as update:
                        update.union_by_name(STATUS_COLUMNS)
                write = table.overwrite if table.current_snapshot() else table.append
                write(content)
                table.maintenance.expire_snapshots().older_than(datetime.now(UTC)).commit()
                return
            except CommitFailedException:
                continue
            except (SQLAlchemyError, OSError) as error:
                raise RetryableError(f"{STATUS} cannot be written ({error}); run the command again") from error
        raise RetryableError(f"{STATUS}: other writers kept changing it; run the command again")


def _run_row(table_name: str, mark: Mark) -> pa.Table:
    view = mark.first_view
    row = {
        "source": mark.source,
        "table_name": table_name,
        "source_table": mark.source_table,
        "rows": mark.rows,
        "chunks": len(mark.chunks),
        "consistency": mark.consistency,
        "position": view and view.position,
        "started_at": mark.started_at,
        "completed_at": mark.completed_at,
    }
    return pa.Table.from_pylist([row], schema=pa.schema(list(RUNS_COLUMNS)[:-2]))
