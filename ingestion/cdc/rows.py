"""Changes of one table into rows of raw, many at a time; what cannot become a row is found and said why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

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
from ingestion.reasons import CONTRACT, UNREADABLE, Reason

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


class Whole(Sequence[Change]):
    """Changes with all values of their rows, one for each message, held column by column; texts are arrays."""

    def __init__(
        self,
        ops: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        positions: pa.Array,
        event_ids: pa.Array,
        times: Sequence[int],
    ) -> None:
        self.ops, self.columns, self.positions, self.event_ids, self.times = ops, columns, positions, event_ids, times

    def __len__(self) -> int:
        return len(self.ops)

    def column(self, name: str) -> Sequence[Any]:
        """The values of one column; nulls for one that the rows do not have."""
        return self.columns.get(name) or [None] * len(self)

    @overload
    def __getitem__(self, place: int) -> Change: ...

    @overload
    def __getitem__(self, place: slice) -> list[Change]: ...

    def __getitem__(self, place: int | slice) -> Change | list[Change]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        row = {name: values[number] for name, values in self.columns.items()}
        texts = self.positions[number].as_py(), self.event_ids[number].as_py()
        return Change(self.ops[number], row, *texts, self.times[number], number)


def shapes(changes: Sequence[Change]) -> frozenset[tuple[str, ...]]:
    """The sets of columns that whole rows come with."""
    if isinstance(changes, Whole):
        return frozenset([tuple(changes.columns)])
    return frozenset(tuple(change.row) for change in changes if change.op not in "dt")


@dataclass(frozen=True)
class Refused:
    """A change that cannot become a row."""

    change: Change
    reason: Reason
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

    def strangers(self, found: Iterable[tuple[str, ...]]) -> frozenset[str]:
        """The columns among `shapes` that have never been seen."""
        return frozenset(name for shape in found for name in shape) - self._allowed

    def lacks(self, found: Iterable[tuple[str, ...]]) -> bool:
        """Whether columns are missing in one of the `shapes` that the source's table has, or had."""
        return any(not self._living.issubset(shape) for shape in found)

    def built(self, changes: Sequence[Change]) -> tuple[pa.Table | None, list[Refused]]:
        """The rows in the order of the changes, and those that are none."""
        if not changes:
            return None, []
        try:
            return self._built(changes), []
        except _UNREADABLE as error:
            if len(changes) == 1:
                reason = CONTRACT if isinstance(error, ContractError) else UNREADABLE
                return None, [Refused(changes[0], reason, " ".join(str(error).split())[:500])]
        half = len(changes) // 2
        parts = [self.built(changes[:half]), self.built(changes[half:])]
        tables = [table for table, _ in parts if table is not None]
        return (pa.concat_tables(tables) if tables else None), [one for _, refused in parts for one in refused]

    def _built(self, changes: Sequence[Change]) -> pa.Table:
        whole = changes if isinstance(changes, Whole) else self._columns(changes)
        read = [reader(whole.column(name)) for name, reader in self._readers]
        batch = typed_batch(self._table, [one.array for one in read])
        absent = {raw: one.absent for raw, one in zip(self._raw_names, read, strict=True) if one.absent}
        strange = {} if whole is changes else self._strange([change.row for change in changes])
        content = pa.Table.from_batches([batch]).replace_schema_metadata()
        if absent or strange:
            place = content.schema.get_field_index(OVERFLOW.name)
            content = content.set_column(place, OVERFLOW, _kept(content[OVERFLOW.name], absent, strange))
        platform = (
            whole.event_ids,
            pa.array(whole.ops, pa.string()),
            pa.repeat(pa.scalar(CDC), len(whole)),
            whole.positions,
            pa.array(whole.times, pa.int64()).cast(TIMESTAMP),
        )
        for field, array in zip(_PLATFORM, platform, strict=True):
            content = content.append_column(field, array)
        return content

    def _columns(self, changes: Sequence[Change]) -> Whole:
        """Any changes, column by column."""
        ops, rows, positions, event_ids, times, _ = zip(*changes, strict=True)
        columns = {name: [row.get(name) for row in rows] for name, _ in self._readers}
        return Whole(ops, columns, pa.array(positions, pa.string()), pa.array(event_ids, pa.string()), times)

    def _strange(self, rows: Sequence[Row]) -> dict[int, dict[str, str]]:
        """Values under names that neither the source nor raw has (any more), as JSON: nothing is dropped."""
        known = self._allowed
        if known.issuperset(name for shape in frozenset(map(tuple, rows)) for name in shape):
            return {}
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
