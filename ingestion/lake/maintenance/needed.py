"""Snapshots that the next build compares with: `frazil run` by its record, models by their watermarks."""

from collections import defaultdict

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.build.state import load_state
from ingestion.lake.status import watermarks


def needed_snapshots(catalog: Catalog) -> dict[str, set[int]]:
    """Table to the snapshots that must not expire before the models that have read them have run again.

    Without them `frazil run` would take a compacted table for a changed one, and a model that compares a parent with
    what it was would have to be built from the start.
    """
    found: defaultdict[str, set[int]] = defaultdict(set)
    for built in load_state(catalog).values():
        for table, snapshot in built.parents.items():
            if snapshot is not None:
                found[table].add(snapshot)
    for row in watermarks(catalog):
        moment = int(row["last_sync_timestamp"].timestamp() * 1000)
        read = _newest_until(catalog, row["source_table"], moment)
        if read is not None:
            found[row["source_table"]].add(read)
    return dict(found)


def _newest_until(catalog: Catalog, name: str, moment_ms: int) -> int | None:
    try:
        history = catalog.load_table(name).history()
    except NoSuchTableError:
        return None
    return max(
        ((one.timestamp_ms, one.snapshot_id) for one in history if one.timestamp_ms <= moment_ms), default=(0, None)
    )[1]
