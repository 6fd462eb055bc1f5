"""Telling people about a change of columns: e-mail, Slack, SNS and what else apprise knows, with who is downstream."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog

from ingestion.bulk.downstream import downstream_of, newest_manifest
from ingestion.bulk.model import SourceTable
from ingestion.bulk.schema import (
    Change,
    Noticed,
    Told,
    enforced,
    made,
    noticed,
    record,
    repeat,
    unrecorded,
    untold,
)
from ingestion.bulk.sources import DatabaseSource
from ingestion.channels import channels

_TOLD_LATE = timedelta(days=7)  # what is older than that is no news to an address that was added today
log = logging.getLogger(__name__)


def follow(catalog: Catalog, source: DatabaseSource, table: SourceTable) -> SourceTable:
    """Bring the raw table in step with the source's columns; the table as it is to be read.

    Changes are told and recorded first. Raises ContractError where the table's contract forbids them.
    """
    found = noticed(catalog, source, table)
    if found.changes:
        _record(catalog, source, [found])
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
        _record(catalog, source, new)
    for found in new:
        made(catalog, found.table, found, tables[found.table.raw_name][1])


def tell_again(catalog: Catalog, source: DatabaseSource) -> None:
    """Tell of the changes of the last week that nobody was told of, because a channel failed; recorded anew when told.

    The first that fails ends it: the channel is still down, and the next load tries again.
    """
    if not source.notifications:
        return
    for rows in untold(catalog, source.name, datetime.now(UTC) - _TOLD_LATE):
        first = rows[0]
        changes = [
            Change(row["change_type"], row["column_name"], row["type_before"], row["type_after"]) for row in rows
        ]
        title = _title(source, first["table_name"], first["schema_version"])
        at = tell(source, title, changes, json.loads(first["downstream"]))
        if at is None:
            return
        repeat(catalog, rows, at)


def _record(catalog: Catalog, source: DatabaseSource, found: Sequence[Noticed]) -> None:
    """Tell and record the changes that were not recorded yet."""
    told = []
    for one in unrecorded(catalog, found):
        readers = downstream_of(newest_manifest(), one.table.raw_name)
        title = _title(source, one.table.raw_name, one.version)
        at = tell(source, title, one.changes, readers) if one.must_be_told else None
        told.append(Told(one, readers, at))
    if told:
        record(catalog, source.name, told)


def _title(source: DatabaseSource, raw_name: str, version: int) -> str:
    return f"{raw_name}: columns changed in {source.name} (version {version})"


def tell(source: DatabaseSource, title: str, changes: Sequence[Change], downstream: Sequence[str]) -> datetime | None:
    """Send the changes to every address of the source; when that was, or None if nobody was told.

    A channel that fails is logged and stops nothing: the record says that nobody was told, see `tell_again`.
    """
    if not source.notifications:
        return None
    lines = [change.words for change in changes]
    if downstream:
        lines += ["", "Read by: " + ", ".join(downstream)]
    told = channels([address.get_secret_value() for address in source.notifications], source.name)
    if not told.notify(title=title, body="\n".join(lines)):
        log.error("notification_failed", extra={"source": source.name, "title": title})
        return None
    return datetime.now(UTC)
