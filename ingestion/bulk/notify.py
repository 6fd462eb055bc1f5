"""Telling people about a change of columns: e-mail, Slack, SNS and what else apprise knows, with who is downstream."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pyiceberg.catalog import Catalog

from ingestion.bulk.model import SourceTable
from ingestion.bulk.schema import Noticed, enforced, is_recorded, made, noticed, record
from ingestion.bulk.sources import DatabaseSource
from ingestion.settings import PROJECT_ROOT

MANIFEST = PROJECT_ROOT / "target" / "manifest.json"
log = logging.getLogger(__name__)


def follow(catalog: Catalog, source: DatabaseSource, table: SourceTable, manifest: Path = MANIFEST) -> SourceTable:
    """Bring the raw table in step with the source's columns; the table as it is to be read.

    Changes are told and recorded first. Raises ContractError where the table's contract forbids them.
    """
    found = noticed(catalog, source, table)
    if found.changes and not is_recorded(catalog, found):
        readers = downstream_of(manifest, table.raw_name)
        record(catalog, source.name, found, downstream=readers, told_at=tell(source, found, readers))
    readable = enforced(found)
    made(catalog, readable, found)
    return readable


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
    try:
        document = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
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
