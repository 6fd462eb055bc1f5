"""`metadata.build_state`: of each dbt node, the checksum and the parents' snapshots of its last good build."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

TABLE = "metadata.build_state"
# In the place of a checksum, so that the node is built from the start: its rows rest on rows that were set back, or
# somebody asked for it.
ROLLED_BACK, ASKED = "rolled back", "asked for"
COLUMNS = pa.schema(
    [
        pa.field("node", pa.string(), nullable=False),
        pa.field("checksum", pa.string()),
        pa.field("parents", pa.string()),
        pa.field("is_good", pa.bool_()),
        pa.field("built_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True)
class Built:
    """The code a node's rows were made by, and of its last build: the snapshot read of each parent (None: it had none).

    `is_good` is false after a build that failed or whose tests failed.
    """

    checksum: str
    parents: dict[str, int | None]
    is_good: bool = True


def load_state(catalog: Catalog) -> dict[str, Built]:
    """All recorded nodes; empty before the first build."""
    try:
        rows = catalog.load_table(TABLE).scan().to_arrow().to_pylist()
    except NoSuchTableError:
        return {}
    return {row["node"]: Built(row["checksum"], json.loads(row["parents"]), row["is_good"]) for row in rows}


def save_state(catalog: Catalog, state: dict[str, Built]) -> None:
    """Replace the whole record in one commit."""
    now = datetime.now(UTC)
    rows = [
        {
            "node": node,
            "checksum": built.checksum,
            "parents": json.dumps(built.parents),
            "is_good": built.is_good,
            "built_at": now,
        }
        for node, built in sorted(state.items())
    ]
    catalog.create_namespace_if_not_exists("metadata")
    properties = {
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "5",
    }
    table = catalog.create_table_if_not_exists(TABLE, COLUMNS, properties=properties)
    write = table.overwrite if table.current_snapshot() else table.append
    write(pa.Table.from_pylist(rows, schema=COLUMNS))
    table.maintenance.expire_snapshots().older_than(datetime.now(UTC)).commit()


def data_snapshot(table: Table, snapshot_id: int | None = None) -> int | None:
    """The snapshot (default: the current one), or, if it only compacted files, the one whose rows it has."""
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id else table.current_snapshot()
    while snapshot and snapshot.summary and snapshot.summary.operation is Operation.REPLACE:
        parent = snapshot.parent_snapshot_id and table.snapshot_by_id(snapshot.parent_snapshot_id)
        if not parent:
            break
        snapshot = parent
    return snapshot.snapshot_id if snapshot else None
