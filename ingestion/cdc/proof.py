"""Proof that a followed table's raw stands for its source, while it changes: both sides as one snapshot saw them."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from ingestion.bulk.dialects.base import Dialect, Reader, by_name
from ingestion.bulk.marks import newest_complete
from ingestion.bulk.model import Position, SourceTable
from ingestion.bulk.reconcile import Checked, Difference
from ingestion.bulk.rowhash import MODULUS, Total, each, total
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.fold import counted, folded, spilling
from ingestion.cdc.offsets import offsets_of
from ingestion.cdc.positions import Snapshot

_KEYS_SHOWN = 20
_PART_BYTES = 16 << 20  # of the source, whose keys and hashes are fetched at once
_NOTHING = Total(0, 0)
_XIDS = 1 << 32


def is_followed(catalog: Catalog, source: DatabaseSource, table: SourceTable) -> bool:
    """Whether raw is to be the table as it is now: its source is followed, or a sink has brought changes of it."""
    if "cdc" in source.modes:
        return True
    try:
        return bool(offsets_of(catalog.load_table(table.raw_name).properties))
    except NoSuchTableError:
        return False


def check_followed(
    catalog: Catalog,
    found: DatabaseSource,
    reader: Reader,
    position: Position,
    table: SourceTable,
    deadline: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Checked:
    """Fold raw at the reader's snapshot until it equals what the reader sees, or until `deadline` by the monotonic
    clock, which is one for all tables of a snapshot: they wait for the same sink. `position` is the snapshot's.

    The sink may be behind the snapshot at first, so only what is still unequal at the end is a difference. A table of
    which no change ever came is proven in the same way: equal if the source still has what was copied.
    """
    dialect = by_name(found.dialect)
    rows, digest = reader.fetch(dialect.row_hash(table, ""))[0]
    source = Total(int(rows), int(digest))
    unseen = unseen_in(found.dialect, position)
    pause = 0.5
    while True:
        stored = _stored(catalog, table)
        lake = None if stored is None or _missing(stored, table) else _lake(stored, table, unseen)
        if lake == source or time.monotonic() > deadline:
            break
        sleep(pause)
        pause = min(pause * 2, 5.0)
    names = (table.raw_name, f"{table.schema}.{table.name}")
    if lake is None or stored is None:
        return Checked(*names, None, "all", "none", None, source, None, (), _problem(found, stored, table))
    if lake == source:
        return Checked(*names, None, "all", "log", position.position, source, lake)
    differences = _differences(dialect, reader, stored, table, unseen) if table.key else ()
    problem = _problem(found, stored, table)
    return Checked(*names, None, "all", "log", position.position, source, lake, differences, problem)


def _stored(catalog: Catalog, table: SourceTable) -> Table | None:
    try:
        return catalog.load_table(table.raw_name)
    except NoSuchTableError:
        return None


def _missing(stored: Table, table: SourceTable) -> list[str]:
    return [column.name for column in table.columns if column.field.name not in stored.schema().column_names]


def _problem(found: DatabaseSource, stored: Table | None, table: SourceTable) -> str | None:
    """What keeps raw from being the source, beside changes that the log never told; None if nothing is seen."""
    load = f"frazil bulk load {found.name} --tables {table.schema}.{table.name}"
    if stored is None:
        return f"is not in the lake; run `{load}`"
    if missing := _missing(stored, table):
        return f"columns {', '.join(missing)} are not in raw yet; does the sink run?"
    if newest_complete(stored) is None:
        return f"has no complete copy; run `{load}`"
    if not offsets_of(stored.properties):
        follow = f"frazil cdc status {found.name}` and `frazil cdc sink {found.name}"
        return f"has changed since it was copied, and no change came by the log; see `{follow}`"
    return None


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
        return sum((total(rows, table.columns) for rows in _folded(stored, table, unseen)), _NOTHING)
    rows, digest = 0, 0
    for came, batch in counted(stored, unseen):
        part = total(batch, table.columns)
        sign = 1 if came else -1
        rows, digest = rows + sign * part.rows, (digest + sign * part.hash) % MODULUS
    return Total(rows, digest)


def _folded(stored: Table, table: SourceTable, unseen: str) -> Iterator[pa.RecordBatch]:
    raw = {column.name: column.field.name for column in table.columns}
    return folded(stored, [raw[name] for name in table.key], unseen)


def _differences(
    dialect: Dialect, reader: Reader, stored: Table, table: SourceTable, unseen: str
) -> tuple[Difference, ...]:
    """The first keys that differ: both sides' keys and hashes, a part of them in memory."""
    keys = [f"k{place}" for place in range(len(table.key))]
    names = [*keys, "hash"]
    with spilling() as session:
        for side in ("source", "lake"):
            session.execute(f"create temp table {side} ({', '.join(f'{name} varchar' for name in names)})")
        for rows in _folded(stored, table, unseen):
            session.register("part", each(rows, table.columns, table.key).rename_columns(names))
            session.execute("insert into lake select * from part")
        for chunk in dialect.chunks(reader, table, _PART_BYTES, by_key=True):
            fetched = reader.fetch(dialect.row_hashes(table, chunk.predicate))
            columns = [[str(row[place]) for row in fetched] for place in range(len(names))]
            session.register("part", pa.table([pa.array(column, pa.string()) for column in columns], names))
            session.execute("insert into source select * from part")
        what = "case when lake.hash is null then 'only in source' when source.hash is null then 'only in lake' "
        found = session.execute(
            f"select {', '.join(keys)}, {what} else 'differs' end from source full join lake using ({', '.join(keys)}) "
            f"where source.hash is distinct from lake.hash order by {', '.join(keys)} limit {_KEYS_SHOWN}"
        ).fetchall()
    return tuple(Difference(row[:-1], row[-1]) for row in found)
