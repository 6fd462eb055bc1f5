"""Setting a built table back to an earlier snapshot, in step with its watermarks and with the record of what was built.

The table's readers have read what is no longer its past: they are built from the start by the next run. The table
itself goes on from where it stood then, or is built from the start too, where that place cannot be known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.expressions import BooleanExpression, EqualTo
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

from ingestion.build.selection import Graph
from ingestion.build.state import ROLLED_BACK, data_snapshot, load_state, save_state
from ingestion.errors import RetryableError, UsageError
from ingestion.lake.status import WATERMARKS

_RAW = "raw."


@dataclass(frozen=True)
class RolledBack:
    """What was done: `goes_on_from` is how far the table's rows have read each parent; None: it is built anew."""

    table: str
    snapshot_before: int
    snapshot: int
    made_at: datetime
    goes_on_from: dict[str, datetime] | None
    readers: Sequence[str]


def roll_back(catalog: Catalog, graph: Graph, name: str, to: str) -> RolledBack:
    """Make the snapshot `to` (its id, or a time: what was current then) of `name` current again; None changes.

    To be called under the lake's lease. Stopped anywhere, the next run builds the table and its readers right. Raises
    UsageError for a table that no model makes, and for a snapshot that there is not.
    """
    node = _node_of(graph, name)
    try:
        table = catalog.load_table(name)
    except NoSuchTableError as error:
        raise UsageError(f"{name} has not been built: there is nothing to roll back") from error
    target, current = _target(table, name, to), table.current_snapshot()
    assert current is not None  # it has snapshots, so one of them is current
    readers = [one for one in graph.nodes if node in graph.parents(one)]
    done = RolledBack(
        name,
        current.snapshot_id,
        target.snapshot_id,
        datetime.fromtimestamp(target.timestamp_ms / 1000, UTC),
        _places(catalog, graph, node, table, target),
        sorted(graph.table(one) for one in readers),
    )
    if data_snapshot(table, target.snapshot_id) == data_snapshot(table):
        raise UsageError(f"{name} has the rows of snapshot {target.snapshot_id} already: nothing to roll back")
    state = load_state(catalog)
    marked = {one: replace(built, checksum=ROLLED_BACK) for one, built in state.items() if one in (node, *readers)}
    save_state(catalog, state | marked)
    try:
        table.manage_snapshots().set_current_snapshot(target.snapshot_id).commit()
    except CommitFailedException as error:
        raise RetryableError(f"{name} was written meanwhile; run the command again") from error
    _set_watermarks(catalog, name, done.goes_on_from or {})
    if done.goes_on_from is not None and node in state:
        save_state(catalog, state | marked | {node: replace(state[node], parents={})})
    return done


def _node_of(graph: Graph, name: str) -> str:
    for node in graph.nodes:
        if graph.table(node) == name:
            return node
    if name.startswith(_RAW):
        raise UsageError(
            f"{name} holds deliveries that exist nowhere else: the journals forget what is in raw. It is never rolled "
            "back; leave bad rows out in its staging model, or load a database table again with `frazil bulk load`"
        )
    raise UsageError(f"{name} is no table of a model, seed or snapshot; `frazil status` lists the tables")


def _target(table: Table, name: str, to: str) -> Snapshot:
    if to.isdigit():
        found = table.snapshot_by_id(int(to))
    else:
        try:
            moment = datetime.fromisoformat(to)
        except ValueError:
            raise UsageError(f"{to!r} is neither a snapshot's id nor a time such as 2026-03-01T12:00:00Z") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        found = table.snapshot_as_of_timestamp(int(moment.timestamp() * 1000))
    if found is None:
        kept = sorted(table.snapshots(), key=lambda one: one.timestamp_ms)[-5:]
        words = ", ".join(f"{one.snapshot_id} ({_utc(one.timestamp_ms)})" for one in kept)
        raise UsageError(f"{name} has no snapshot {to}, or no longer; the newest of those kept: {words}")
    return found


def _places(catalog: Catalog, graph: Graph, node: str, table: Table, target: Snapshot) -> dict[str, datetime] | None:
    """The watermarks under which the rows of `target` were current last; None where they cannot be gone on from.

    That is so if the table was built anew since, its columns are others now, or a parent no longer has what was read.
    """
    if node.startswith("snapshot."):
        return {}  # it compares with its parents as they are, and has no watermarks
    current = table.current_snapshot()
    changed = _first_change_after(table, target)
    if not node.startswith("model.") or changed is None or current is None or current.schema_id != target.schema_id:
        return None
    places = _watermarks_before(catalog, graph.table(node), changed.timestamp_ms)
    parents = {graph.table(one) for one in graph.parents(node) if not one.startswith(("seed.", "source."))}
    if not places or any(not _still_there(catalog, one, places.get(one)) for one in parents):
        return None
    return places


def _first_change_after(table: Table, target: Snapshot) -> Snapshot | None:
    """The first commit on top of `target` that changed rows; None if the table's state does not go back to it."""
    change: Snapshot | None = None
    for one in _lineage(table):
        if one.snapshot_id == target.snapshot_id:
            return change
        if one.summary is None or one.summary.operation is not Operation.REPLACE:
            change = one
    return None


def _watermarks_before(catalog: Catalog, name: str, moment_ms: int) -> dict[str, datetime]:
    try:
        table = catalog.load_table(WATERMARKS)
    except NoSuchTableError:
        return {}
    then = table.snapshot_as_of_timestamp(moment_ms, inclusive=False)
    if then is None:
        return {}
    rows = table.scan(_of_model(name), snapshot_id=then.snapshot_id).to_arrow().to_pylist()
    return {row["source_table"]: row["last_sync_timestamp"] for row in rows}


def _still_there(catalog: Catalog, parent: str, moment: datetime | None) -> bool:
    """Whether a parent's state goes back to what it was at `moment`, and that snapshot is kept."""
    if moment is None:
        return False
    table = catalog.load_table(parent)
    read = table.snapshot_as_of_timestamp(int(moment.timestamp() * 1000))
    return read is not None and any(one.snapshot_id == read.snapshot_id for one in _lineage(table))


def _lineage(table: Table) -> Iterator[Snapshot]:
    """The current snapshot and its parents, newest first, as far as they are kept."""
    one = table.current_snapshot()
    while one is not None:
        yield one
        one = table.snapshot_by_id(one.parent_snapshot_id) if one.parent_snapshot_id else None


def _set_watermarks(catalog: Catalog, name: str, places: dict[str, datetime]) -> None:
    """Put these in the place of the model's watermarks; none: the next run reads its parents whole."""
    try:
        table = catalog.load_table(WATERMARKS)
    except NoSuchTableError:
        return
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "source_table": parent,
            "pipeline_name": _short(name),
            "last_sync_timestamp": moment,
            "records_processed": None,
            "updated_at": now,
        }
        for parent, moment in sorted(places.items())
    ]
    stored = pa.Table.from_pylist(rows, schema=table.schema().as_arrow())
    table.overwrite(stored, overwrite_filter=_of_model(name))


def _of_model(name: str) -> BooleanExpression:
    by_name: Any = EqualTo  # its annotations leave out that a column may be given by its name
    found: BooleanExpression = by_name("pipeline_name", _short(name))
    return found


def _short(name: str) -> str:
    return name.split(".")[-1]


def _utc(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
