"""The lake at a glance: how much waits in the journals, how much is in the tables, and how fresh they are."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.errors import PermanentError
from ingestion.lake.catalog import NAMESPACES
from ingestion.webhooks.journal import Journal, journals_in

WATERMARKS = "metadata.incremental_watermarks"


def journals(folder: Path) -> list[dict[str, Any]]:
    """One object per journal: entries waiting, seconds since the oldest of them was received, and the newest seq."""
    found = []
    for path in journals_in(folder):
        row: dict[str, Any] = {"journal": path.stem, "waiting": None, "oldest_seconds": None, "last_seq": None}
        try:
            with Journal.open(path) as journal:
                oldest = journal.read(0, 1, 1)
                row |= {"waiting": journal.depth(), "last_seq": journal.last_seq()}
        except (sqlite3.DatabaseError, PermanentError) as error:
            row["problem"] = str(error)
        else:
            if oldest:
                received = oldest[0].delivery.received_at / 1_000_000
                row["oldest_seconds"] = round(datetime.now(UTC).timestamp() - received, 1)
        found.append(row)
    return found


def tables(catalog: Catalog) -> list[dict[str, Any]]:
    """One object per table of the lake: its rows, files and snapshots, as its newest snapshot tells them."""
    found = []
    for space in NAMESPACES:
        for identifier in sorted(catalog.list_tables(space)):
            table = catalog.load_table(identifier)
            snapshot = table.current_snapshot()
            summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
            found.append(
                {
                    "table": ".".join(identifier),
                    "rows": int(summary.get("total-records", 0)) - int(summary.get("total-position-deletes", 0)),
                    "files": int(summary.get("total-data-files", 0)),
                    "snapshots": len(table.snapshots()),
                    "last_commit_at": snapshot and datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
                }
            )
    return found


def watermarks(catalog: Catalog) -> list[dict[str, Any]]:
    """The rows of `metadata.incremental_watermarks`; none before the first build."""
    try:
        rows = catalog.load_table(WATERMARKS).scan().to_arrow().to_pylist()
    except NoSuchTableError:
        return []
    return sorted(rows, key=lambda row: (row["pipeline_name"], row["source_table"]))
