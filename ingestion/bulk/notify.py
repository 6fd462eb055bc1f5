"""Telling people about a change of columns: e-mail, Slack, SNS and what else apprise knows, with who is downstream."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.bulk.model import SourceTable
from ingestion.bulk.schema import Noticed, Told, enforced, made, noticed, record, unrecorded
from ingestion.bulk.sources import DatabaseSource
from ingestion.settings import PROJECT_ROOT

MANIFEST = PROJECT_ROOT / "target" / "manifest.json"
log = logging.getLogger(__name__)


def follow(catalog: Catalog, source: DatabaseSource, table: SourceTable, manifest: Path = MANIFEST) -> SourceTable:
    """Bring the raw table in step with the source's columns; the table as it is to be read.

    Changes are told and recorded first. Raises ContractError where the table's contract forbids them.
    """
    found = noticed(catalog, source, table)
    if found.changes:
        _record(catalog, source, [found], manifest)
    readable = enforced(found)
    made(catalog, readable, found)
    return readable


def make(catalog: Catalog, source: DatabaseSource, tables: Mapping[str, tuple[SourceTable, Mapping[str, str]]]) -> None:
    """Make those raw tables, by name, that are not there: each for its table of the source, with these properties.

    What `follow` does one by one, with one record for all.
    """
    there = {".".join(name) for name in catalog.list_tables("raw")}
    new = [noticed(catalog, source, table) for name, (table, _) in tables.items() if name not in there]
    if new:
        _record(catalog, source, new, MANIFEST)
    for found in new:
        made(catalog, found.table, found, tables[found.table.raw_name][1])


def _record(catalog: Catalog, source: DatabaseSource, found: Sequence[Noticed], manifest: Path) -> None:
    """Tell and record the changes that were not recorded yet."""
    told = []
    for one in unrecorded(catalog, found):
        readers = downstream_of(manifest, one.table.raw_name)
        told.append(Told(one, readers, tell(source, one, readers)))
    if told:
        record(catalog, source.name, told)


def tell(source: DatabaseSource, found: Noticed, downstream: Sequence[str]) -> datetime | None:
    """Send the changes to every address of the source; when that was, or None if nobody was told.

    A channel that fails is logged and stops nothing: the record says that nobody was told.
    """
    if not source.notifications or not found.must_be_told:
        return None
    import apprise

    channels = apprise.Apprise()
    for number, address in enumerate(source.notifications):
        if not channels.add(address.get_secret_value()):
            log.error("notification_address_unreadable", extra={"source": source.name, "number": number})
    lines = [change.words for change in found.changes]
    if downstream:
        lines += ["", "Read by: " + ", ".join(downstream)]
    title = f"{found.table.raw_name}: columns changed in {source.name} (version {found.version})"
    if not channels.notify(title=title, body="\n".join(lines)):
        log.error("notification_failed", extra={"source": source.name, "table": found.table.raw_name})
        return None
    return datetime.now(UTC)


def downstream_of(manifest: Path, raw_name: str) -> list[str]:
    """The dbt models and exposures that read a raw table, directly or not, as the manifest says; none without one."""
    document = _document(manifest)
    schema, name = raw_name.split(".", 1)
    children = document.get("child_map", {})
    found = [
        key for key, one in document.get("sources", {}).items() if (one["schema"], one["identifier"]) == (schema, name)
    ]
    seen: set[str] = set()
    while found:
        for child in children.get(found.pop(), ()):
            if child not in seen and child.startswith(("model.", "exposure.", "snapshot.")):
                seen.add(child)
                found.append(child)
    return sorted(child.split(".")[-1] for child in seen)


def _document(manifest: Path) -> dict[str, Any]:
    try:
        return _parsed(manifest, manifest.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=1)
def _parsed(manifest: Path, _changed_at: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    return found
