"""Proof that raw holds what the source held: count and row hash of every chunk of the newest complete copy.

The source's side was taken inside the load's own snapshot and is kept in the mark, so a database that went on
changing is still proven. Without it the source is asked now, which is only right while nobody writes.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.table import Table

from ingestion.bulk.dialects.base import Dialect, Reader
from ingestion.bulk.marks import Done, Mark, column_print, newest_complete
from ingestion.bulk.model import SourceTable
from ingestion.bulk.rowhash import Total, each, total
from ingestion.bulk.schema import enforced, noticed
from ingestion.bulk.sources import DatabaseSource
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import LOADED_AT, RUN_ID, TIMESTAMP, ensure_table

TABLE = "metadata.reconciliation"
Basis = Literal["load", "now", "log", "none"]
_KEYS_SHOWN = 20
_NOTHING = Total(0, 0)

COLUMNS = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("table_name", pa.string()),
        pa.field("source_table", pa.string()),
        pa.field("copy_run_id", pa.string()),  # the copy that was checked
        pa.field("chunk", pa.string()),
        pa.field("basis", pa.string()),  # the source as the load saw it, as it is now, or as now with its log
        pa.field("position", pa.string()),
        pa.field("source_rows", pa.int64()),
        pa.field("lake_rows", pa.int64()),
        pa.field("source_hash", pa.string()),
        pa.field("lake_hash", pa.string()),
        pa.field("is_equal", pa.bool_()),
        pa.field("differing_keys", pa.string()),  # JSON: at most 20, each with what differs
        pa.field("problem", pa.string()),
        pa.field("checked_at", TIMESTAMP),
        LOADED_AT,
        RUN_ID,
    ]
)


@dataclass(frozen=True)
class Difference:
    """A key (texts of its columns) that one side alone has, or that differs."""

    key: tuple[str, ...]
    what: Literal["only in source", "only in lake", "differs"]


@dataclass(frozen=True)
class Checked:
    """One chunk, or a whole table where its chunks cannot be told apart."""

    table: str
    source_table: str
    copy_run_id: str | None
    chunk: str
    basis: Basis
    position: str | None
    source: Total | None
    lake: Total | None
    differences: tuple[Difference, ...] = ()
    problem: str | None = None

    @property
    def is_equal(self) -> bool:
        return self.source is not None and self.source == self.lake


class Reconciliation:
    """Checks tables of one source against one lake. `reader` sees the source as it is now."""

    def __init__(self, catalog: Catalog, source: DatabaseSource, dialect: Dialect, reader: Reader) -> None:
        self._catalog = catalog
        self._source = source
        self._dialect = dialect
        self._reader = reader

    def check(self, table: SourceTable, *, is_now: bool = False) -> list[Checked]:
        """The chunks of the newest complete copy; with `is_now` against the source as it is now in any case."""
        try:
            stored = self._catalog.load_table(table.raw_name)
        except NoSuchTableError:
            return [self._none(table, f"is not in the lake; run `frazil bulk load {self._source.name}`")]
        newest = newest_complete(stored)
        if newest is None:
            return [self._none(table, f"has no complete copy; run `frazil bulk load {self._source.name}`")]
        run_id, mark = newest
        if self._source.contract_of(table.schema, table.name) in ("discard_value", "discard_row"):
            table = enforced(noticed(self._catalog, self._source, table))
        if mark.columns != column_print(table):
            again = f"frazil bulk load {self._source.name} --tables {mark.source_table} --no-resume"
            return [self._none(table, f"has other columns in the source than when it was loaded; run `{again}`")]
        lake = _lake_totals(stored, run_id, table)
        if not is_now and all(done.hash is not None for done in mark.done.values()):
            return list(self._against_load(table, stored, run_id, mark, lake))
        return list(self._against_now(table, stored, run_id, mark, lake))

    def save(self, checked: Sequence[Checked]) -> str:
        """Append the results to `metadata.reconciliation`; returns the run id that they carry."""
        run_id, now = str(uuid.uuid4()), datetime.now(UTC)
        ensure_table(self._catalog, TABLE, COLUMNS)
        rows = [_row(self._source.name, one, now) for one in checked]
        content = pa.Table.from_pylist(rows, schema=pa.schema(list(COLUMNS)[:-2]))
        AppendTable(self._catalog, TABLE).append(content, run_id, {})
        return run_id

    def _against_load(
        self, table: SourceTable, stored: Table, run_id: str, mark: Mark, lake: Mapping[int, Total]
    ) -> Iterator[Checked]:
        for number, done in sorted(mark.done.items()):
            source = Total(done.rows, int(done.hash or 0))
            found = lake.get(done.loaded_at, _NOTHING) if done.loaded_at else _NOTHING
            yield self._compared(table, stored, run_id, mark, [number], "load", source, found)
        yield from self._strangers(table, run_id, mark, lake, "load")

    def _against_now(
        self, table: SourceTable, stored: Table, run_id: str, mark: Mark, lake: Mapping[int, Total]
    ) -> Iterator[Checked]:
        """Chunk by chunk if the plan means the same rows now, else the whole table."""
        if not mark.by_key:
            rows, found = self._reader.fetch(self._dialect.row_hash(table, ""))[0]
            whole = sum(lake.values(), _NOTHING)
            source = Total(int(rows), int(found))
            yield self._compared(table, stored, run_id, mark, list(mark.done), "now", source, whole)
            return
        for number, done in sorted(mark.done.items()):
            rows, found = self._reader.fetch(self._dialect.row_hash(table, mark.chunks[number].predicate))[0]
            kept = lake.get(done.loaded_at, _NOTHING) if done.loaded_at else _NOTHING
            yield self._compared(table, stored, run_id, mark, [number], "now", Total(int(rows), int(found)), kept)
        yield from self._strangers(table, run_id, mark, lake, "now")

    def _strangers(
        self, table: SourceTable, run_id: str, mark: Mark, lake: Mapping[int, Total], basis: Basis
    ) -> Iterator[Checked]:
        """Rows of the copy that no chunk of it wrote."""
        known = {done.loaded_at for done in mark.done.values()}
        for stamp, found in lake.items():
            if stamp not in known:
                problem = f"{found.rows} rows of this copy belong to no chunk of it"
                yield Checked(*self._names(table), run_id, "unknown", basis, None, _NOTHING, found, (), problem)

    def _compared(
        self,
        table: SourceTable,
        stored: Table,
        run_id: str,
        mark: Mark,
        numbers: Sequence[int],
        basis: Basis,
        source: Total,
        lake: Total,
    ) -> Checked:
        done = [mark.done[number] for number in numbers]
        one = len(numbers) == 1
        chunk = mark.chunks[numbers[0]].id if one else "all"
        position = mark.views[done[0].view].position if one else None
        if source == lake:
            return Checked(*self._names(table), run_id, chunk, basis, position, source, lake)
        predicate = mark.chunks[numbers[0]].predicate if one else ""
        differences = self._differences(table, stored, run_id, done, predicate) if table.key else ()
        problem = None
        if basis == "load" and not differences:
            problem = "the source as it is now does not show which rows differ"
        return Checked(*self._names(table), run_id, chunk, basis, position, source, lake, differences, problem)

    def _differences(
        self, table: SourceTable, stored: Table, run_id: str, done: Sequence[Done], predicate: str
    ) -> tuple[Difference, ...]:
        """By comparison with the source as it is now."""
        width = len(table.key)
        fetched = self._reader.fetch(self._dialect.row_hashes(table, predicate))
        source = {tuple(map(str, row[:width])): str(row[width]) for row in fetched}
        stamps = {one.loaded_at for one in done}
        lake: dict[tuple[str, ...], list[str]] = {}
        for stamp, part in _parts(stored, run_id):
            if stamp in stamps:
                columns = [column.to_pylist() for column in each(part, table.columns, table.key).columns]
                for row in zip(*columns, strict=True):
                    lake.setdefault(row[:-1], []).append(row[-1])
        differences: list[Difference] = []
        for key in sorted(source.keys() | lake.keys()):
            if len(differences) == _KEYS_SHOWN:
                break
            if key not in lake:
                differences.append(Difference(key, "only in source"))
            elif key not in source:
                differences.append(Difference(key, "only in lake"))
            elif lake[key] != [source[key]]:
                differences.append(Difference(key, "differs"))
        return tuple(differences)

    def _none(self, table: SourceTable, problem: str) -> Checked:
        return Checked(*self._names(table), None, "all", "none", None, None, None, (), problem)

    def _names(self, table: SourceTable) -> tuple[str, str]:
        return table.raw_name, f"{table.schema}.{table.name}"


def run_filter(run_id: str) -> BooleanExpression:
    """The rows of one run."""
    return parse(f"{RUN_ID.name} = '{run_id}'") if run_id else AlwaysTrue()


def _lake_totals(stored: Table, run_id: str, table: SourceTable) -> dict[int, Total]:
    """Of each `_loaded_at` (microseconds since 1970) of a copy; a batch is in memory at a time."""
    found: dict[int, Total] = {}
    for stamp, part in _parts(stored, run_id):
        found[stamp] = found.get(stamp, _NOTHING) + total(part, table.columns)
    return found


def _parts(stored: Table, run_id: str) -> Iterator[tuple[int, pa.Table]]:
    """The rows of a copy in pieces of one `_loaded_at` each."""
    for batch in stored.scan(row_filter=run_filter(run_id)).to_arrow_batch_reader():
        rows = pa.Table.from_batches([batch])
        stamps = rows[LOADED_AT.name].cast(pa.int64())
        for stamp in pc.unique(stamps).to_pylist():
            yield stamp, rows.filter(pc.equal(stamps, stamp))


def _row(source: str, one: Checked, now: datetime) -> dict[str, object]:
    differences = [{"key": found.key, "what": found.what} for found in one.differences]
    return {
        "source": source,
        "table_name": one.table,
        "source_table": one.source_table,
        "copy_run_id": one.copy_run_id,
        "chunk": one.chunk,
        "basis": one.basis,
        "position": one.position,
        "source_rows": one.source.rows if one.source else None,
        "lake_rows": one.lake.rows if one.lake else None,
        "source_hash": one.source.text if one.source else None,
        "lake_hash": one.lake.text if one.lake else None,
        "is_equal": one.is_equal,
        "differing_keys": json.dumps(differences) if differences else None,
        "problem": one.problem,
        "checked_at": now,
    }
