"""What followed databases keep for their readers, asked of the databases themselves: for the metrics alone."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from ingestion.bulk.sources import load_databases
from ingestion.cdc.handoff import slot_of
from ingestion.errors import FrazilError
from ingestion.overview.figures import Rows
from ingestion.settings import Settings

log = logging.getLogger(__name__)


def with_slots(settings: Settings, found: Mapping[str, Rows]) -> Mapping[str, Rows]:
    """The figures with `slots` beside them, of the sources of the followed tables."""
    return {**found, "slots": slots(settings, [row["table"] for row in found["followed"]])}


def slots(settings: Settings, followed: Collection[str]) -> Rows:
    """One object per source of PostgreSQL with raw tables among those `followed`: whether its slot is read, and how
    much log it holds.

    Both are null where the database does not answer (tried for its `connect_timeout`) or has no slot.
    """
    found = []
    for name, source in sorted(load_databases(settings.config_dir).items()):
        if source.dialect != "postgres" or not any(table.startswith(f"raw.{name}_") for table in followed):
            continue
        row: dict[str, Any] = {"source": name, "is_active": None, "held_bytes": None}
        try:
            slot = slot_of(source)
        except FrazilError as error:
            log.warning("slot_not_known", extra={"source": name, "reason": str(error)})
        else:
            if slot is not None:
                row |= {"is_active": slot.is_active, "held_bytes": slot.held_bytes}
        found.append(row)
    return found
