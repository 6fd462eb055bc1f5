"""How far models are behind what they read: since when rows have waited, and which models have read none yet."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from ingestion.bulk.state import RUNS


def with_lag(catalog: Catalog, watermarks: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Each watermark with `behind_seconds`: the age of the oldest commit of the parent that was not read, in
    tenths, one at least; 0: none.

    Null for the list of copies, in which a model only looks for those of its own table, and for parents that are gone.
    Of commits whose snapshots have expired the next one counts, so a long wait may be told as a shorter one.
    """
    commits: dict[str, list[datetime] | None] = {}
    found = []
    for row in watermarks:
        parent = row["source_table"]
        if parent not in commits:
            commits[parent] = None if parent == RUNS else _commits(catalog, parent)
        times, behind = commits[parent], None
        if times is not None:
            unread = [one for one in times if one > row["last_sync_timestamp"]]
            behind = max(0.1, round((now - min(unread)).total_seconds(), 1)) if unread else 0.0
        found.append({**row, "behind_seconds": behind})
    return found


def never_built(recorded: Iterable[str], folder: Path) -> list[dict[str, Any]]:
    """The models below `folder` that no build has brought about yet; `recorded`: dbt's ids in the record of builds.

    None before the first build, when that is true of all.
    """
    built = {node.split(".")[-1] for node in recorded}
    names = sorted(path.stem for path in folder.rglob("*.sql")) if built else []
    return [{"model": name} for name in names if name not in built]


def _commits(catalog: Catalog, name: str) -> list[datetime] | None:
    """When each kept snapshot that changed rows became the table's state."""
    try:
        table: Table = catalog.load_table(name)
    except NoSuchTableError:
        return None
    changed = {
        one.snapshot_id
        for one in table.snapshots()
        if one.summary is None or one.summary.operation is not Operation.REPLACE
    }
    return [_moment(entry.timestamp_ms) for entry in table.history() if entry.snapshot_id in changed]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
