"""Whole CSV rows to Arrow: at once by the column types, or, where a value does not fit its type, by way of text."""

import pyarrow as pa
import pyarrow.csv as csv

from ingestion.bulk.model import SourceTable
from ingestion.bulk.typed import finished, typed_batch

_PARSE = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


class CsvBlocks:
    """Reads blocks of whole rows, written as `COPY ... (FORMAT csv)` does: null is empty, the empty text is quoted."""

    def __init__(self, table: SourceTable) -> None:
        self._table = table
        self._names = [str(number) for number in range(len(table.columns))]
        kinds = [_parsed(column.field.type) for column in table.columns]
        self._typed = self._options(kinds)
        self._text = self._options([pa.string() for _ in kinds])

    def batch(self, block: bytes | bytearray) -> pa.RecordBatch:
        """The rows of one block, which holds at least one; releases the interpreter while it works."""
        try:
            read = self._read(block, self._typed)
        except pa.ArrowInvalid:
            return typed_batch(self._table, [_whole(column) for column in self._read(block, self._text).columns])
        return finished(self._table, [_whole(column) for column in read.columns], None)

    def _options(self, kinds: list[pa.DataType]) -> csv.ConvertOptions:
        return csv.ConvertOptions(
            column_types=dict(zip(self._names, kinds, strict=True)),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )

    def _read(self, block: bytes | bytearray, options: csv.ConvertOptions) -> pa.Table:
        size = len(block) + 1
        read = csv.ReadOptions(column_names=self._names, block_size=size, use_threads=False)
        return csv.read_csv(pa.BufferReader(pa.py_buffer(block)), read, _PARSE, options)


def _parsed(kind: pa.DataType) -> pa.DataType:
    """Binary columns come as hex digits."""
    return pa.string() if pa.types.is_binary(kind) else kind


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
