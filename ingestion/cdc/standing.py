"""Where the followed tables stand: how far each partition of their topics is in raw."""

from datetime import UTC, datetime
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.cdc.offsets import offsets_of


def standing(catalog: Catalog, now: datetime) -> list[dict[str, Any]]:
    """One object per topic's partition; `silent_seconds` since the source's commit of the last change in raw."""
    found = []
    for identifier in sorted(catalog.list_tables("raw")):
        for (topic, partition), offset in sorted(offsets_of(catalog.load_table(identifier).properties).items()):
            at = datetime.fromtimestamp(offset.source_at / 1_000_000, UTC) if offset.source_at else None
            found.append(
                {
                    "table": ".".join(identifier),
                    "topic": topic,
                    "partition": partition,
                    "next_offset": offset.next,
                    "position": offset.position.split(".")[0],
                    "last_change_at": at,
                    "silent_seconds": round((now - at).total_seconds(), 1) if at else None,
                }
            )
    return found
