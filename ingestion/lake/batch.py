"""One flush of the sink in memory: journal entries split into rows per table, and the count of what became of them."""

import logging
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from types import NoneType
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from ingestion.errors import ContractError
from ingestion.lake.quarantine import QUARANTINE, quarantine_id, quarantine_row
from ingestion.reasons import SPLIT_FAILED, UNKNOWN_SOURCE, Reason
from ingestion.webhooks.events import RawRow, Rejected
from ingestion.webhooks.journal import Delivery, Entry

log = logging.getLogger(__name__)

Row = tuple[Any, ...]
_Notes = dict[str, dict[str, str]]


class Input(Protocol):
    """Numbered deliveries that are read in order: a journal, or a topic's partition. `position` is the last read."""

    @property
    def id(self) -> str: ...

    position: int


class Splits(Protocol):
    """What makes rows of a source's deliveries; no body makes it raise."""

    def split(self, delivery: Delivery) -> list[RawRow | Rejected]: ...


In = TypeVar("In", bound=Input)
_Parts = tuple["Counts", dict[str, pa.Table], _Notes]


@dataclass
class Counts:
    """What became of the entries read: `elements == rows + rejected + skipped`, or something was lost.

    An entry holds one element, a batch as many as its array; `empty` entries hold none. `skipped` elements were in
    the lake already. `tables` counts the rows per table, the quarantine among them. `unreadable` are files that
    are no journals, with the reason.
    """

    entries: int = 0
    empty: int = 0
    elements: int = 0
    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        for name in ("entries", "empty", "elements", "rows", "rejected", "skipped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for table, rows in other.tables.items():
            self.tables[table] = self.tables.get(table, 0) + rows
        self.unreadable |= other.unreadable

    def check(self) -> None:
        """Raises ContractError if an element is unaccounted for."""
        if self.elements != self.rows + self.rejected + self.skipped:
            raise ContractError(f"the sink lost count, report it: {self}")


class Batch(Generic[In]):
    """Rows per table of a bounded number of entries, and how far each journal was read for them.

    `mark(table, journal_id)` tells how far a table has the rows of a journal. Of such rows `present(table, ids, since)`
    are counted as skipped: the others belonged to another table when it was marked, by other rules. Ids are those of
    events, or of rows of the quarantine; `since` (microseconds) is when the first of them was received.
    `readers` are the sources by name, or what stands before a slash in it; an entry of any other source is rejected as
    `unknown_source`. `schemas` are the
    columns of every table by name. Both may grow meanwhile.
    """

    def __init__(
        self,
        readers: Mapping[str, Splits],
        schemas: Mapping[str, pa.Schema],
        mark: Callable[[str, str], int],
        present: Callable[[str, Sequence[str], int], Collection[str]],
    ) -> None:
        self._readers = readers
        self._schemas = schemas
        self._mark = mark
        self._present = present
        self.rows: dict[str, list[pa.Table]] = {}
        self.notes: dict[str, dict[str, str]] = {}
        self.read: dict[In, int] = {}
        self.counts = Counts()
        self.bytes = 0
        self._marked: dict[str, dict[str, int]] = {}

    def marks(self) -> dict[str, int]:
        """The last seq read of each journal in this batch, by the journal's id."""
        return {journal.id: last for journal, last in self.read.items()}

    def marks_before(self, table: str) -> dict[str, int]:
        """What the table's marks were when this batch's rows were chosen."""
        return {journal.id: self._known(journal.id, table) for journal in self.read}

    def take(self, journal: In, entries: Sequence[Entry]) -> None:
        """Split `entries`, the next ones of `journal`, at least one, and move its position behind them."""
        try:
            counts, parts, notes = self._parts(journal.id, entries, checked=False)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):  # some row: find and reject it
            counts, parts, notes = self._parts(journal.id, entries, checked=True)
        for table, part in parts.items():
            self.rows.setdefault(table, []).append(part)
        for table, said in notes.items():
            self.notes.setdefault(table, {}).update(said)
        self.counts.add(counts)
        self.bytes += sum(len(entry.delivery.body) + len(entry.delivery.headers) for entry in entries)
        self.read[journal] = journal.position = entries[-1].seq

    def finish(self) -> None:
        """Count the rows per table and check that nothing is unaccounted for."""
        self.counts.tables = {table: sum(part.num_rows for part in parts) for table, parts in self.rows.items()}
        self.counts.check()

    def _parts(self, journal_id: str, entries: Sequence[Entry], *, checked: bool) -> _Parts:
        counts, rows, notes = self._split_all(journal_id, entries, checked=checked)
        return counts, {table: arrow_rows(values, self._schemas[table]) for table, values in rows.items()}, notes

    def _known(self, journal_id: str, table: str) -> int:
        marks = self._marked.setdefault(journal_id, {})
        if table not in marks:
            marks[table] = self._mark(table, journal_id)
        return marks[table]

    def _split_all(
        self, journal_id: str, entries: Sequence[Entry], *, checked: bool
    ) -> tuple[Counts, dict[str, list[Row]], _Notes]:
        marks = {table: self._known(journal_id, table) for table in self._schemas}
        known = max(marks.values(), default=0)
        notes: _Notes = {}
        counts = Counts(entries=len(entries))
        rows: dict[str, list[Row]] = {}
        covered: dict[str, list[tuple[Row, RawRow | Rejected]]] = {}

        def add(table: str, row: Row, result: RawRow | Rejected) -> None:
            rows.setdefault(table, []).append(row)
            if not isinstance(result, RawRow):
                counts.rejected += 1
                return
            counts.rows += 1
            if result.notes:
                notes.setdefault(table, {}).update(result.notes)

        for seq, delivery in entries:
            results = self._split(delivery, checked)
            counts.elements += len(results)
            if not results:
                counts.empty += 1
            for place, result in enumerate(results):
                if isinstance(result, RawRow):
                    table, row = f"raw.{result.table}", result.values
                else:
                    table, row = QUARANTINE, quarantine_row(quarantine_id(journal_id, seq, place), result)
                if table not in marks:
                    marks[table] = self._known(journal_id, table)
                    known = max(known, marks[table])
                if seq <= known and seq <= marks[table]:
                    covered.setdefault(table, []).append((row, result))
                else:
                    add(table, row, result)
        since = min(entry.delivery.received_at for entry in entries)
        for table, again in covered.items():
            named = 0 if table == QUARANTINE else self._schemas[table].get_field_index("_event_id")
            present = self._present(table, [row[named] for row, _ in again], since)
            for row, result in again:
                if row[named] in present:
                    counts.skipped += 1
                else:
                    add(table, row, result)
        return counts, rows, notes

    def _split(self, delivery: Delivery, checked: bool) -> list[RawRow | Rejected]:
        """What the source's file makes of a delivery; `checked` rows also fit their table's columns."""
        reader = self._readers.get(delivery.source.partition("/")[0])
        if reader is None:
            return [_rejected(delivery, UNKNOWN_SOURCE, f"no config/webhooks/{delivery.source}.yaml")]
        try:
            results = reader.split(delivery)
            for result in results if checked else ():
                if isinstance(result, RawRow):
                    arrow_rows([result.values], self._schemas[f"raw.{result.table}"])
            return results
        except Exception as error:  # one body must not stop all others: it is kept, named and counted
            log.exception("split_failed", extra={"source": delivery.source})
            return [_rejected(delivery, SPLIT_FAILED, f"{type(error).__name__}: {error}"[:500])]


def arrow_rows(rows: Sequence[Row], columns: pa.Schema) -> pa.Table:
    """Rows in the order of `columns`, which may hold more columns at its end, as an Arrow table."""
    fields = [columns.field(place) for place in range(len(rows[0]))]
    arrays = [_array(values, field.type) for values, field in zip(zip(*rows, strict=True), fields, strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Text that comes as bytes is UTF-8 that was checked when its body was read: it is only put together."""
    if kind != pa.string() or not {bytes} <= set(map(type, values)) <= {bytes, NoneType}:
        return pa.array(values, kind)
    parts = [value or b"" for value in values]
    ends = array("i", accumulate(map(len, parts), initial=0))
    known = pa.array([value is not None for value in values]).buffers()[1]
    return pa.Array.from_buffers(kind, len(parts), [known, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))])


def _rejected(delivery: Delivery, reason: Reason, detail: str) -> Rejected:
    return Rejected(
        delivery.source,
        reason,
        detail,
        None,
        delivery.body,
        delivery.received_at,
        delivery.headers,
        delivery.delivery_id.hex(),
    )
