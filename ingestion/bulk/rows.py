"""The platform's columns of rows read in bulk, computed column by column."""

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.bulk.marks import View
from ingestion.bulk.model import SourceTable
from ingestion.lake.tables import LOADED_AT, RUN_ID, TEXT_MAP, TIMESTAMP

OVERFLOW = pa.field("_raw_overflow", TEXT_MAP)
_PLATFORM = (
    pa.field("_event_id", pa.string()),
    pa.field("_op", pa.string()),
    pa.field("_load_type", pa.string()),
    pa.field("_position", pa.string()),
    pa.field("_source_at", TIMESTAMP),
)
READ, BATCH = "r", "batch"
_FIRST = "0000000000"  # changes count from 1 within their position, so a row read there sorts below all of them


def stored_columns(table: SourceTable) -> pa.Schema:
    """All columns of the raw table, in order."""
    return with_platform_columns(table.raw_schema)


def with_platform_columns(columns: pa.Schema) -> pa.Schema:
    """The source's columns of a raw table and the platform's behind them."""
    return pa.schema([*columns, OVERFLOW, *_PLATFORM, LOADED_AT, RUN_ID])


def row_position(view: View) -> str:
    """`_position` of the rows of one view: sorts as text, below every change that the view did not see."""
    return f"{view.position}.{_FIRST}"


class RowMaker:
    """Adds to the batches of one chunk what every raw row carries, but for the writer's own columns.

    `_event_id` names source, table, position and row: the key where there is one (its hash, unless it is of whole
    numbers), else the chunk and the row's number in it.
    """

    def __init__(self, table: SourceTable, view: View, chunk_id: str) -> None:
        position = row_position(view)
        self._head = f"{table.raw_name.removeprefix('raw.')}:{position}:"
        found = {column.name: column for column in table.columns}
        self._key = [found[name] for name in table.key]
        self._is_whole = all(pa.types.is_integer(key.field.type) and not key.can_overflow for key in self._key)
        self._chunk = f"{self._head}{chunk_id}-"
        self._rows = 0
        self._constant = {
            "_op": pa.scalar(READ),
            "_load_type": pa.scalar(BATCH),
            "_position": pa.scalar(position),
            "_source_at": pa.scalar(view.captured_at, TIMESTAMP),
        }

    def made(self, batch: pa.RecordBatch) -> pa.Table:
        """The batch with its platform columns; batches of a chunk are given in order."""
        rows = pa.Table.from_batches([batch]).replace_schema_metadata()
        columns = {"_event_id": self._event_ids(rows)}
        columns |= {name: pa.repeat(value, rows.num_rows) for name, value in self._constant.items()}
        for field in _PLATFORM:
            rows = rows.append_column(field, columns[field.name])
        self._rows += rows.num_rows
        return rows

    def _event_ids(self, rows: pa.Table) -> pa.ChunkedArray | pa.Array:
        if not self._key:
            numbers = pc.cast(pa.arange(self._rows, self._rows + rows.num_rows), pa.string())
            return pc.binary_join_element_wise(pa.scalar(self._chunk), numbers, "")
        if self._is_whole:
            parts = [pc.cast(rows[column.field.name], pa.string()) for column in self._key]
        else:
            from ingestion.bulk.rowhash import digests  # its engine takes a third of a second to start

            parts = [digests(rows, self._key)]
        first = pc.binary_join_element_wise(pa.scalar(self._head), parts[0], "")
        return pc.binary_join_element_wise(first, *parts[1:], "-") if len(parts) > 1 else first
