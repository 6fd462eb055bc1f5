"""Changes of one table into rows of raw, many at a time; what cannot become a row is found and said why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from ingestion.bulk.rows import OVERFLOW
from ingestion.bulk.typed import typed_batch
from ingestion.cdc.envelope import PLACEHOLDER, Row
from ingestion.cdc.form import Form
from ingestion.cdc.values.base import Reader
from ingestion.cdc.values.readers import reader_for
from ingestion.errors import ContractError
from ingestion.lake.tables import TIMESTAMP

CDC = "cdc"
_PLATFORM = (
    pa.field("_event_id", pa.string()),
    pa.field("_op", pa.string()),
    pa.field("_load_type", pa.string()),
    pa.field("_position", pa.string()),
    pa.field("_source_at", TIMESTAMP),
)
_UNREADABLE = (ContractError, pa.ArrowException, ValueError, TypeError, OverflowError, KeyError, AttributeError)


class Change(NamedTuple):
    """One row to be: `row` by the source's names, `source_at` in microseconds since 1970, `message` its place."""

    op: str
    row: Row
    position: str
    event_id: str
    source_at: int
    message: int


@dataclass(frozen=True)
class Refused:
    """A change that cannot become a row."""

    change: Change
    reason: str
    detail: str


class RowBuilder:
    """Builds rows of one table in one form."""

    def __init__(self, dialect: str, form: Form) -> None:
        self.form = form
        self._table = form.table()
        self._readers: list[tuple[str, Reader]] = [
            (column.name, reader_for(dialect, column)) for column in form.columns
        ]
        self._raw_names = [column.raw for column in form.columns]
        self.known = frozenset(column.name for column in form.columns)
        self._living = frozenset(column.name for column in form.columns if not column.is_retired)
        self._allowed = self.known | frozenset(form.ignored)

    def strangers(self, rows: Sequence[Row]) -> frozenset[str]:
        """The columns that have never been seen."""
        if all(row.keys() == self._living for row in rows):
            return frozenset()
        return frozenset(name for row in rows for name in row.keys() - self._allowed)

    def lacks(self, rows: Sequence[Row]) -> bool:
        """Whether columns are missing that the source's table has, or had."""
        return any(not self._living <= row.keys() for row in rows)

    def built(self, changes: Sequence[Change]) -> tuple[pa.Table | None, list[Refused]]:
        """The rows in the order of the changes, and those that are none."""
        if not changes:
            return None, []
        try:
            return self._built(changes), []
        except _UNREADABLE as error:
            if len(changes) == 1:
                reason = "contract" if isinstance(error, ContractError) else "unreadable"
                return None, [Refused(changes[0], reason, " ".join(str(error).split())[:500])]
        half = len(changes) // 2
        parts = [self.built(changes[:half]), self.built(changes[half:])]
        tables = [table for table, _ in parts if table is not None]
        return (pa.concat_tables(tables) if tables else None), [one for _, refused in parts for one in refused]

    def _built(self, changes: Sequence[Change]) -> pa.Table:
        rows = [change.row for change in changes]
        read = [reader([row.get(name) for row in rows]) for name, reader in self._readers]
        batch = typed_batch(self._table, [one.array for one in read])
        absent = {raw: one.absent for raw, one in zip(self._raw_names, read, strict=True) if one.absent}
        strange = self._strange(rows)
        content = pa.Table.from_batches([batch]).replace_schema_metadata()
        if absent or strange:
            place = content.schema.get_field_index(OVERFLOW.name)
            content = content.set_column(place, OVERFLOW, _kept(content[OVERFLOW.name], absent, strange))
        ops, _, positions, ids, times, _ = zip(*changes, strict=True)
        platform = (
            pa.array(ids, pa.string()),
            pa.array(ops, pa.string()),
            pa.repeat(pa.scalar(CDC), len(changes)),
            pa.array(positions, pa.string()),
            pa.array(times, pa.int64()).cast(TIMESTAMP),
        )
        for field, array in zip(_PLATFORM, platform, strict=True):
            content = content.append_column(field, array)
        return content

    def _strange(self, rows: Sequence[Row]) -> dict[int, dict[str, str]]:
        """Values under names that neither the source nor raw has (any more), as JSON: nothing is dropped."""
        known = self._allowed
        found = {}
        for place, row in enumerate(rows):
            if not row.keys() <= known:
                found[place] = {
                    name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
                    for name, value in row.items()
                    if name not in known and value is not None
                }
        return {place: values for place, values in found.items() if values}


def _kept(overflow: pa.ChunkedArray, absent: dict[str, Sequence[int]], strange: dict[int, dict[str, str]]) -> pa.Array:
    """The kept texts with the placeholder for every value that the log left out."""
    maps: list[list[tuple[str, Any]] | None] = overflow.to_pylist()
    for raw, rows in absent.items():
        for row in rows:
            maps[row] = [*(maps[row] or []), (raw, PLACEHOLDER)]
    for row, values in strange.items():
        maps[row] = [*(maps[row] or []), *values.items()]
    return pa.array(maps, OVERFLOW.type)
