"""What changed in a source's columns: recorded in `metadata.schema_changes` before rows of the new form are written.

The raw table's properties hold the columns as they were last seen and their version, which counts from 1 (the
baseline). What a change does to the load is the table's contract.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, ValidationError
from pyiceberg.table import Table

from ingestion.bulk.model import SourceTable
from ingestion.bulk.rows import stored_columns
from ingestion.bulk.sources import Contract, DatabaseSource
from ingestion.errors import ContractError
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import LOADED_AT, RUN_ID, TIMESTAMP, ensure_table, iceberg_type, same_type

TABLE = "metadata.schema_changes"
_COLUMNS_PROPERTY, _VERSION_PROPERTY = "frazil.source-columns", "frazil.schema-version"
Kind = Literal["baseline", "column_added", "column_removed", "type_changed"]

COLUMNS = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("table_name", pa.string()),
        pa.field("change_timestamp", TIMESTAMP),
        pa.field("change_type", pa.string()),  # baseline, column_added, column_removed, type_changed
        pa.field("column_name", pa.string()),
        pa.field("type_before", pa.string()),
        pa.field("type_after", pa.string()),
        pa.field("schema_before", pa.string()),  # JSON: column -> type in the source
        pa.field("schema_after", pa.string()),
        pa.field("schema_version", pa.int64()),
        pa.field("snapshot_id", pa.int64()),  # of the raw table, the last one before the change
        pa.field("contract", pa.string()),
        pa.field("downstream", pa.string()),  # JSON: dbt models and exposures that read the table
        pa.field("notification_sent", pa.bool_()),
        pa.field("notification_timestamp", TIMESTAMP),
        LOADED_AT,
        RUN_ID,
    ]
)


@dataclass(frozen=True)
class Change:
    """One column that differs from what was last seen; of a baseline, no column."""

    kind: Kind
    column: str | None = None
    before: str | None = None
    after: str | None = None

    @property
    def words(self) -> str:
        """For people."""
        return {
            "baseline": "first seen",
            "column_added": f"column {self.column} ({self.after}) added",
            "column_removed": f"column {self.column} ({self.before}) removed",
            "type_changed": f"column {self.column} changed from {self.before} to {self.after}",
        }[self.kind]


@dataclass(frozen=True)
class Noticed:
    """The changes of one table since it was last loaded."""

    table: SourceTable
    contract: Contract
    changes: tuple[Change, ...]
    before: Mapping[str, str]
    after: Mapping[str, str]
    version: int
    snapshot_id: int | None

    @property
    def form(self) -> str:
        """The columns as they are now, as the record has them."""
        return msgspec.json.encode(self.after).decode()

    @property
    def must_be_told(self) -> bool:
        return any(change.kind != "baseline" for change in self.changes)


def noticed(catalog: Catalog, source: DatabaseSource, table: SourceTable) -> Noticed:
    """What differs from the columns last seen; reads only."""
    contract = source.contract_of(table.schema, table.name)
    after = _types(table)
    stored = _stored(catalog, table.raw_name)
    if stored is None or _COLUMNS_PROPERTY not in stored.properties:
        return Noticed(table, contract, (Change("baseline"),), {}, after, 1, None)
    before = msgspec.json.decode(stored.properties[_COLUMNS_PROPERTY], type=dict[str, str])
    changes = [Change("column_added", name, None, kind) for name, kind in after.items() if name not in before]
    changes += [Change("column_removed", name, kind) for name, kind in before.items() if name not in after]
    changes += [
        Change("type_changed", name, before[name], kind)
        for name, kind in after.items()
        if before.get(name, kind) != kind
    ]
    version = int(stored.properties[_VERSION_PROPERTY]) + bool(changes)
    snapshot = stored.metadata.current_snapshot_id
    return Noticed(table, contract, tuple(changes), before, after, version, snapshot)


def unrecorded(catalog: Catalog, found: Sequence[Noticed]) -> list[Noticed]:
    """Those whose changes were not recorded by an earlier load, which then did not write, or wrote without them."""
    stored = _stored(catalog, TABLE)
    if stored is None:
        return list(found)
    rows = stored.scan(selected_fields=("table_name", "schema_version", "schema_after")).to_arrow().to_pylist()
    known = {(row["table_name"], row["schema_version"], row["schema_after"]) for row in rows}
    return [one for one in found if (one.table.raw_name, one.version, one.form) not in known]


@dataclass(frozen=True)
class Told:
    """Changes, the models that read their table, and when people were told, if they were."""

    found: Noticed
    downstream: Sequence[str] = ()
    at: datetime | None = None


def record(catalog: Catalog, source: str, told: Sequence[Told]) -> None:
    """Append the changes to `metadata.schema_changes`, in one commit."""
    ensure_table(catalog, TABLE, COLUMNS)
    _append(catalog, [row for one in told for row in _rows(source, one)])


def recorded(catalog: Catalog) -> list[dict[str, Any]]:
    """Every recorded change once, as it was recorded last: one that was told late has a second row that says so."""
    stored = _stored(catalog, TABLE)
    rows = [] if stored is None else stored.scan().to_arrow().sort_by(LOADED_AT.name).to_pylist()
    one = ("table_name", "schema_version", "schema_after", "change_type", "column_name")
    return list({tuple(row[name] for name in one): row for row in rows}.values())


def untold(catalog: Catalog, source: str, since: datetime) -> list[list[dict[str, Any]]]:
    """The changes since then that nobody was told of, those of one table and version together."""
    found: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for row in recorded(catalog):
        is_news = row["change_type"] != "baseline" and not row["notification_sent"] and row["change_timestamp"] > since
        if is_news and row["source"] == source:
            found.setdefault((row["table_name"], row["schema_version"], row["schema_after"]), []).append(row)
    return list(found.values())


def repeat(catalog: Catalog, rows: Sequence[Mapping[str, Any]], told_at: datetime) -> None:
    """Record changes once more: as told."""
    told = {"notification_sent": True, "notification_timestamp": told_at}
    _append(catalog, [{**row, **told} for row in rows])


def _append(catalog: Catalog, rows: Sequence[Mapping[str, Any]]) -> None:
    content = pa.Table.from_pylist(list(rows), schema=pa.schema(list(COLUMNS)[:-2]))
    AppendTable(catalog, TABLE).append(content, str(uuid.uuid4()), {})


def _rows(source: str, told: Told) -> list[dict[str, Any]]:
    found = told.found
    row = {
        "source": source,
        "table_name": found.table.raw_name,
        "change_timestamp": datetime.now(UTC),
        "schema_before": msgspec.json.encode(found.before).decode() if found.before else None,
        "schema_after": found.form,
        "schema_version": found.version,
        "snapshot_id": found.snapshot_id,
        "contract": found.contract,
        "downstream": msgspec.json.encode(list(told.downstream)).decode(),
        "notification_sent": told.at is not None,
        "notification_timestamp": told.at,
    }
    return [
        {**row, "change_type": one.kind, "column_name": one.column, "type_before": one.before, "type_after": one.after}
        for one in found.changes
    ]


def enforced(found: Noticed) -> SourceTable:
    """The table as its contract lets it be read. Raises ContractError where the contract forbids the change."""
    changes = [change for change in found.changes if change.kind != "baseline"]
    if not changes or found.contract == "evolve":
        return found.table
    what = "; ".join(change.words for change in changes)
    name = found.table.raw_name
    if found.contract == "freeze":
        raise ContractError(f"{name} is frozen and its source changed: {what}; accept it with `contract: evolve`")
    if found.contract == "discard_row" and any(change.kind == "type_changed" for change in changes):
        raise ContractError(
            f"{name}: {what}; a changed type is no matter of single rows: choose discard_value or evolve"
        )
    kept = tuple(column for column in found.table.columns if found.before.get(column.name) == column.source_type)
    if not set(found.table.key) <= {column.name for column in kept}:
        raise ContractError(f"{name}: {what}; a key cannot be discarded: accept it with `contract: evolve`")
    if found.contract == "discard_value":
        return replace(found.table, columns=kept)
    added = tuple(change.column for change in changes if change.kind == "column_added" and change.column)
    return replace(found.table, columns=kept, watched=added)


def made(catalog: Catalog, table: SourceTable, found: Noticed, more: Mapping[str, str] | None = None) -> None:
    """Make or widen the raw table, and keep in it what was seen; a new one has the properties `more` as well."""
    _widen(_stored(catalog, table.raw_name), table)
    seen = {_COLUMNS_PROPERTY: msgspec.json.encode(found.after).decode(), _VERSION_PROPERTY: str(found.version)}
    stored = ensure_table(catalog, table.raw_name, stored_columns(table), {**seen, **(more or {})})
    is_kept = seen.items() <= stored.properties.items()
    if not is_kept and ((found.changes and found.contract == "evolve") or _COLUMNS_PROPERTY not in stored.properties):
        with stored.transaction() as transaction:
            transaction.set_properties(seen)


def _widen(stored: Table | None, table: SourceTable) -> None:
    """Give stored columns the wider type that the source's have now, where no stored value changes by it."""
    if stored is None:
        return
    present = {field.name: field.field_type for field in stored.schema().fields}
    with stored.transaction() as transaction, transaction.update_schema() as update:
        for field in table.raw_schema:
            wanted, kept = iceberg_type(field.type), present.get(field.name)
            if wanted is None or kept is None or same_type(wanted, kept):
                continue
            try:
                update.update_column(field.name, wanted)
            except ValidationError as error:
                raise ContractError(
                    f"{table.raw_name}.{field.name} is {kept} in the lake and {wanted} in the source now; "
                    "a stored column is only widened: leave it out with `contract: discard_value`, "
                    "or rename the raw table and load again"
                ) from error


def _types(table: SourceTable) -> dict[str, str]:
    return {column.name: column.source_type for column in table.columns}


def _stored(catalog: Catalog, name: str) -> Table | None:
    try:
        return catalog.load_table(name)
    except NoSuchTableError:
        return None
