"""Reading the quarantine, and running what is in it through today's configuration again.

A replay appends to raw first and marks the quarantine row after that: a crash in between leaves the row open, and the
next replay finds its events in raw and only marks it.
"""

import fcntl
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression

from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.replay import StreamReplay
from ingestion.errors import RetryableError, UsageError
from ingestion.lake.append import AppendTable
from ingestion.lake.batch import Row, arrow_rows
from ingestion.lake.polled import PolledTables
from ingestion.lake.quarantine import COLUMNS, OPEN, QUARANTINE, REPLAYED, quarantine_id, quarantine_row
from ingestion.lake.sink import ensure_tables
from ingestion.poll.poller import POLL
from ingestion.poll.reader import PolledRows
from ingestion.webhooks.events import RawRow, Reader
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.sources import SourceConfig

_CHUNK = 500
_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell
_LISTED = [name for name in COLUMNS.names if name not in ("headers", "body", "_run_id")]


class Selection(NamedTuple):
    """Which quarantined events are meant; None means any. `reason` also takes those below it (`bad_value`)."""

    ids: Sequence[str] = ()
    source: str | None = None
    reason: str | None = None
    state: str | None = None


@dataclass
class Replayed:
    """What a replay did, counted in quarantine rows; `tables` counts the raw rows it added."""

    selected: int = 0
    replayed: int = 0
    still_unreadable: int = 0
    samples_left: int = 0
    tables: dict[str, int] = field(default_factory=dict)


def quarantined(catalog: Catalog, chosen: Selection, columns: Sequence[str] = _LISTED) -> list[dict[str, Any]]:
    """One object per quarantined event that fits, newest first, with its latest state.

    Raises UsageError for an id that does not exist.
    """
    wanted = dict.fromkeys([*columns, "quarantine_id", "state", "reason", "received_at"])
    scan = catalog.load_table(QUARANTINE).scan(_where(chosen), selected_fields=tuple(wanted))
    rows = scan.to_arrow().to_pylist()
    replayed = {row["quarantine_id"] for row in rows if row["state"] == REPLAYED}
    found = []
    for row in rows:
        if row["state"] == OPEN:
            row["state"] = REPLAYED if row["quarantine_id"] in replayed else OPEN
            if _fits(row, chosen):
                found.append({name: row[name] for name in dict.fromkeys([*columns, "received_at"])})
    unknown = set(chosen.ids) - {row["quarantine_id"] for row in rows}
    if unknown:
        raise UsageError(f"not in the quarantine: {', '.join(sorted(unknown))}; `frazil quarantine list` shows the ids")
    return sorted(found, key=lambda row: row["received_at"], reverse=True)


def waiting(catalog: Catalog) -> list[dict[str, Any]]:
    """How many quarantined events are open, by source and reason; none before the table exists."""
    if not catalog.table_exists(QUARANTINE):
        return []
    found = quarantined(catalog, Selection(state=OPEN), ("source", "reason"))
    counts = Counter((row["source"], row["reason"]) for row in found)
    return [{"source": source, "reason": reason, "open": count} for (source, reason), count in sorted(counts.items())]


def replay(
    catalog: Catalog,
    home: Path,
    sources: Mapping[str, SourceConfig],
    chosen: Selection,
    databases: Mapping[str, DatabaseSource] | None = None,
) -> Replayed:
    """Run the chosen open events through `sources` again, or through the `databases` whose change stream they are of;
    readable ones go to raw under their first identity.

    Samples of wrong signatures stay: naming one is a UsageError. Raises RetryableError while another replay runs.
    """
    with _replay_lock(home):
        return _Replay(catalog, sources, databases or {}).run(chosen)


class _Replay:
    def __init__(
        self, catalog: Catalog, sources: Mapping[str, SourceConfig], databases: Mapping[str, DatabaseSource]
    ) -> None:
        self._catalog = catalog
        self._schemas = ensure_tables(catalog, sources)
        self._polled = PolledRows(PolledTables(catalog, self._schemas, {}).columns)
        self._readers = {name: Reader(source) for name, source in sources.items()}
        self._run_id = str(uuid.uuid4())
        self._streams = StreamReplay(catalog, databases, self._run_id)
        self._done = Replayed()

    def run(self, chosen: Selection) -> Replayed:
        found = quarantined(self._catalog, chosen._replace(state=OPEN))
        samples = [row["quarantine_id"] for row in found if row["is_sample"]]
        if samples and chosen.ids:
            raise UsageError(f"{samples[0]}: a sample of wrong signatures is from nobody knows whom: never replayed")
        ids = [row["quarantine_id"] for row in found if not row["is_sample"]]
        self._done.selected, self._done.samples_left = len(ids), len(samples)
        for first in range(0, len(ids), _CHUNK):
            self._replay(quarantined(self._catalog, Selection(ids[first : first + _CHUNK]), COLUMNS.names))
        return self._done

    def _replay(self, quarantine: Sequence[Mapping[str, Any]]) -> None:
        rows: dict[str, list[Row]] = {}
        marked: list[Row] = []
        changes: dict[str, list[pa.Table]] = {}
        for row in quarantine:
            if row["topic"] is not None and self._streams.is_of_stream(row):
                self._read_change(row, changes, marked)
                continue
            results = self._results(row)
            if results is None:
                self._done.still_unreadable += 1
                continue
            marked.append(_marked(row))
            for place, result in enumerate(results):
                if isinstance(result, RawRow):
                    rows.setdefault(f"raw.{result.table}", []).append(result.values)
                else:
                    marked.append(quarantine_row(quarantine_id(row["quarantine_id"], 0, place), result))
            self._done.replayed += 1
        since = min((row["_loaded_at"] for row in quarantine), default=None)
        for table, values in sorted(rows.items()):
            self._append(table, values, since)
        for table, parts in sorted(changes.items()):
            added = self._streams.append(table, parts, since)
            self._done.tables[table] = self._done.tables.get(table, 0) + added
        if marked:
            AppendTable(self._catalog, QUARANTINE).append(arrow_rows(marked, COLUMNS), self._run_id, {})

    def _read_change(self, row: Mapping[str, Any], changes: dict[str, list[pa.Table]], marked: list[Row]) -> None:
        readable = self._streams.read(row)
        if readable is None:
            self._done.still_unreadable += 1
            return
        if readable.rows is not None:
            changes.setdefault(readable.table, []).append(readable.rows)
        marked.append(_marked(row))
        self._done.replayed += 1

    def _results(self, row: Mapping[str, Any]) -> list[Any] | None:
        """What today's configuration makes of the event; None if it still cannot read anything of it.

        The same bytes give the same `_event_id` at any time, so what was delivered again meanwhile is recognised.
        """
        reader = self._readers.get(row["source"])
        if reader is None:
            return self._polled_results(row)
        body: bytes = row["body"]
        if reader.source.batch and not body.lstrip().startswith(b"["):
            body = b"[" + body + b"]"  # an element of a batch is kept by itself
        received_at = int(row["received_at"].timestamp() * 1_000_000)
        headers = (row["headers"] or "{}").encode()
        results = reader.split(Delivery(row["source"], b"", received_at, headers, body, row["reason"]))
        if not any(isinstance(result, RawRow) for result in results):
            return None
        return results

    def _polled_results(self, row: Mapping[str, Any]) -> list[Any] | None:
        """As `_results`, of a polled row."""
        received_at = int(row["received_at"].timestamp() * 1_000_000)
        headers = (row["headers"] or "{}").encode()
        try:
            results = self._polled.split(
                Delivery(f"{POLL}/{row['source']}", b"", received_at, headers, row["body"], None)
            )
        except msgspec.MsgspecError:  # the headers are another kind's
            return None
        return results if isinstance(results[0], RawRow) else None

    def _append(self, table: str, values: list[Row], since: datetime | None) -> None:
        """Append the rows whose event is not in the table yet: an earlier replay may have died before its mark."""
        columns = self._schemas[table]
        place = columns.get_field_index("_event_id")
        events = {row[place] for row in values}
        known: BooleanExpression = _BY_NAME.In("_event_id", events)
        if since is not None:
            known = And(_BY_NAME.GreaterThanOrEqual("_loaded_at", since.isoformat()), known)
        stored = self._catalog.load_table(table).scan(known, selected_fields=("_event_id",)).to_arrow()
        present = set(stored["_event_id"].to_pylist())
        fresh = list({row[place]: row for row in values if row[place] not in present}.values())
        if fresh:
            AppendTable(self._catalog, table).append(arrow_rows(fresh, columns), self._run_id, {})
            self._done.tables[table] = self._done.tables.get(table, 0) + len(fresh)


def _marked(row: Mapping[str, Any]) -> Row:
    """The row that says `replayed`: the bytes stay where they are."""
    said = {**row, "state": REPLAYED, "headers": None, "body": None}
    return tuple(said[name] for name in COLUMNS.names[:-2])


def _where(chosen: Selection) -> BooleanExpression:
    where: BooleanExpression = _BY_NAME.In("quarantine_id", chosen.ids) if chosen.ids else AlwaysTrue()
    return And(where, _BY_NAME.EqualTo("source", chosen.source)) if chosen.source else where


def _fits(row: Mapping[str, Any], chosen: Selection) -> bool:
    if chosen.reason and row["reason"] != chosen.reason and not row["reason"].startswith(f"{chosen.reason}:"):
        return False
    return chosen.state is None or row["state"] == chosen.state


@contextmanager
def _replay_lock(home: Path) -> Iterator[None]:
    with (home / "replay.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RetryableError("another `frazil quarantine replay` is running; try again when it has ended") from None
        yield
