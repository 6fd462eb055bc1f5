"""Proof that a followed table's raw stands for its source, while it changes: both sides as one snapshot saw them."""

import time
from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from ingestion.bulk.dialects.base import Dialect, Reader
from ingestion.bulk.model import Position, SourceTable
from ingestion.bulk.reconcile import Checked, Difference
from ingestion.bulk.rowhash import MODULUS, Total, each, total
from ingestion.cdc.fold import counted, folded
from ingestion.cdc.offsets import offsets_of
from ingestion.cdc.positions import Snapshot

_KEYS_SHOWN = 20
_XIDS = 1 << 32


def is_followed(catalog: Catalog, table: SourceTable) -> bool:
    """Whether a sink brings the table's changes to raw."""
    try:
        return bool(offsets_of(catalog.load_table(table.raw_name).properties))
    except NoSuchTableError:
        return False


def check_followed(
    catalog: Catalog,
    dialect: Dialect,
    reader: Reader,
    position: Position,
    table: SourceTable,
    wait_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Checked:
    """Fold raw at the reader's snapshot until it equals what the reader sees, or so long; `position` is the snapshot's.

    The sink may be behind the snapshot at first, so only what is still unequal at the end is a difference.
    """
    rows, found = reader.fetch(dialect.row_hash(table, ""))[0]
    source = Total(int(rows), int(found))
    unseen = unseen_in(dialect.name, position)
    deadline = time.monotonic() + wait_seconds
    pause = 0.5
    while True:
        stored = catalog.load_table(table.raw_name)
        missing = [column.name for column in table.columns if column.field.name not in stored.schema().column_names]
        lake = None if missing else _lake(stored, table, unseen)
        if lake == source or time.monotonic() > deadline:
            break
        sleep(pause)
        pause = min(pause * 2, 5.0)
    names = (table.raw_name, f"{table.schema}.{table.name}")
    if lake == source:
        return Checked(*names, None, "all", "log", position.position, source, lake)
    problem = f"columns {', '.join(missing)} are not in raw yet; does the sink run?" if missing else None
    differences = _differences(dialect, reader, stored, table, unseen) if table.key and not missing else ()
    return Checked(*names, None, "all", "log", position.position, source, lake, differences, problem)


def unseen_in(dialect: str, position: Position) -> str:
    """A condition in SQL over raw's columns: the change is not in the snapshot."""
    if dialect != "postgres":
        return f"substr(_position, 1, {len(position.position)}) >= '{position.position}'"
    snapshot = Snapshot.parse(position.snapshot)
    xid = "cast(split_part(split_part(_event_id, ':', 2), '-', 2) as bigint)"
    half = _XIDS // 2
    full = f"({snapshot.xmax} + (({xid} - {snapshot.xmax} + {half}) % {_XIDS} + {_XIDS}) % {_XIDS} - {half})"
    running = ", ".join(map(str, sorted(snapshot.running)))
    still = f" or {full} in ({running})" if running else ""
    recent = (position.captured_at - timedelta(days=1)).isoformat()
    return f"_source_at > timestamptz '{recent}' and ({full} >= {snapshot.xmax}{still})"


def _lake(stored: Table, table: SourceTable, unseen: str) -> Total:
    if table.key:
        return total(_folded(stored, table, unseen), table.columns)
    came, went = (total(rows, table.columns) for rows in counted(stored, unseen))
    return Total(came.rows - went.rows, (came.hash - went.hash) % MODULUS)


def _folded(stored: Table, table: SourceTable, unseen: str) -> pa.Table:
    raw = {column.name: column.field.name for column in table.columns}
    return folded(stored, [raw[name] for name in table.key], unseen)


def _differences(
    dialect: Dialect, reader: Reader, stored: Table, table: SourceTable, unseen: str
) -> tuple[Difference, ...]:
    width = len(table.key)
    fetched = reader.fetch(dialect.row_hashes(table, ""))
    source = {tuple(map(str, row[:width])): str(row[width]) for row in fetched}
    rows = each(_folded(stored, table, unseen), table.columns, table.key)
    lake = {row[:-1]: row[-1] for row in zip(*(column.to_pylist() for column in rows.columns), strict=True)}
    found: list[Difference] = []
    for key in sorted(source.keys() | lake.keys()):
        if source.get(key) != lake.get(key) and len(found) < _KEYS_SHOWN:
            what = "only in source" if key not in lake else "only in lake" if key not in source else "differs"
            found.append(Difference(key, what))  # type: ignore[arg-type]
    return tuple(found)
