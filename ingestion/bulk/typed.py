"""From the source's text to raw's types: exact, or null with the text kept in `_raw_overflow`."""

import binascii
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.bulk.model import Column, SourceTable
from ingestion.errors import ContractError

OVERFLOW = pa.field("_raw_overflow", pa.map_(pa.string(), pa.string()))
_COUNTS = b"frazil.out-of-range"
_PATTERNS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_date, r"^\d{4}-\d\d-\d\d$"),
    (pa.types.is_timestamp, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?(\+00)?$"),
    (pa.types.is_decimal, r"^-?\d+(\.\d+)?$"),
)
_FIRST = {"date": dt.date(1, 1, 1), "timestamp": dt.datetime(1, 1, 1, tzinfo=dt.UTC)}
_LAST = {"date": dt.date(9999, 12, 31), "timestamp": dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)}


@dataclass(frozen=True)
class _Misfit:
    """Rows of one column whose text the raw type cannot hold; of `count`, those whose text is kept."""

    name: str
    count: int
    rows: pa.Array
    texts: pa.Array


def typed_batch(table: SourceTable, texts: Sequence[pa.Array]) -> pa.RecordBatch:
    """The raw form of `texts`, one array of strings per column of the table, in its order.

    Binary comes as hex or as bytes. What a type cannot hold follows the column's policy. Raises ContractError where
    that is `fail`, or where a column that cannot overflow holds something unreadable. `out_of_range` of the batch says
    how many values that were.
    """
    arrays, misfits = [], []
    for column, text in zip(table.columns, texts, strict=True):
        array, misfit = _typed(table, column, text)
        arrays.append(array)
        if misfit is not None:
            misfits.append(misfit)
    kept = [one for one in misfits if len(one.rows)]
    batch = finished(table, arrays, _overflow(kept, len(texts[0])) if kept else None)
    counts = {one.name: one.count for one in misfits}
    return batch.replace_schema_metadata({_COUNTS: json.dumps(counts)}) if counts else batch


def out_of_range(batch: pa.RecordBatch) -> Mapping[str, int]:
    """By raw column, how many values of the source its type could not hold, whatever the policy made of them."""
    found = (batch.schema.metadata or {}).get(_COUNTS)
    return json.loads(found) if found else {}


def finished(table: SourceTable, arrays: Sequence[pa.Array], overflow: pa.Array | None) -> pa.RecordBatch:
    """A batch of the columns of `table.raw_schema` and `_raw_overflow`; hex texts of binary columns become bytes."""
    done = [
        unhexed(array) if pa.types.is_binary(column.field.type) and pa.types.is_string(array.type) else array
        for column, array in zip(table.columns, arrays, strict=True)
    ]
    if overflow is None:
        overflow = pa.nulls(len(done[0]), OVERFLOW.type)
    return pa.record_batch([*done, overflow], schema=table.raw_schema.append(OVERFLOW))


def unhexed(texts: pa.Array) -> pa.Array:
    """Bytes from hex digits; one conversion for the whole array."""
    if texts.offset:
        texts = pa.concat_arrays([texts])
    validity, offsets, data = texts.buffers()
    ends = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets])
    first, last = ends[0].as_py(), ends[-1].as_py()
    digits = memoryview(data)[first:last] if data is not None else b""
    raw = pa.py_buffer(binascii.unhexlify(digits))
    moved = pc.divide(pc.subtract(ends, pa.scalar(first, pa.int32())), pa.scalar(2, pa.int32()))
    return pa.Array.from_buffers(pa.binary(), len(texts), [validity, moved.buffers()[1], raw], texts.null_count)


def _typed(table: SourceTable, column: Column, text: pa.Array) -> tuple[pa.Array, _Misfit | None]:
    wanted = column.field.type
    if text.type == wanted or pa.types.is_binary(wanted):
        return text, None
    try:
        array = _cast(text, wanted)
    except pa.ArrowInvalid:
        array = None
    if array is not None and _in_calendar(array):
        return array, None
    fits = _fitting(text, wanted)
    misfits = pc.and_(pc.is_valid(text), pc.invert(fits))
    rows = pc.indices_nonzero(misfits)
    array = _cast(pc.if_else(fits, text, pa.scalar(None, pa.string())), wanted)
    return _settled(table, column, array, rows, text.take(rows))


def _settled(
    table: SourceTable, column: Column, array: pa.Array, rows: pa.Array, texts: pa.Array
) -> tuple[pa.Array, _Misfit | None]:
    """The column's policy applied to the misfitting `rows`."""
    if len(rows) and (column.policy == "fail" or not column.can_overflow):
        raise ContractError(
            f"{table.schema}.{table.name}.{column.name}: {texts[0].as_py()!r} does not fit {column.field.type}; "
            "correct it in the source, or set out_of_range: keep_text for this column in config/sources.yaml"
        )
    if not len(rows):
        return array, None
    count = len(rows)
    if column.policy == "null":
        return array, _Misfit(column.field.name, count, rows[:0], texts[:0])
    if column.policy == "clamp":
        nearest = [_nearest(one, column.field.type) for one in texts.to_pylist()]
        stays = pa.array([value is None for value in nearest], pa.bool_())
        values = [value for value in nearest if value is not None]
        if values:
            mask = pc.is_in(pa.arange(0, len(array)), rows.filter(pc.invert(stays)).cast(pa.int64()))
            array = pc.replace_with_mask(array, mask, _stamped(pa.array(values), column.field.type))
        rows, texts = rows.filter(stays), texts.filter(stays)
    return array, _Misfit(column.field.name, count, rows, texts)


def _stamped(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(wanted) and wanted.tz is None:
        return values.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))
    return values.cast(wanted)


def _nearest(text: str, kind: pa.DataType) -> dt.date | None:
    """The closest value of a calendar type; None where there is none (zero dates, NaN)."""
    family = "date" if pa.types.is_date(kind) else "timestamp" if pa.types.is_timestamp(kind) else ""
    if not family or text == "NaN":
        return None
    if text.startswith("-") or text.endswith("BC"):
        return _FIRST[family]
    if text == "infinity" or len(text.split("-")[0]) > 4:
        return _LAST[family]
    return None


def _cast(text: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Raises ArrowInvalid for what is not exactly a value; times without a zone are UTC."""
    if pa.types.is_boolean(wanted):
        return pc.is_in(text, pa.array(["t", "1", "true"])) if not text.null_count else _boolean(text)
    if pa.types.is_timestamp(wanted) and wanted.tz is not None:
        if pc.any(pc.match_substring_regex(text, r"[+-]\d\d(:?\d\d)?$")).as_py():
            return text.cast(wanted)
        return text.cast(pa.timestamp("us")).cast(wanted)
    return text.cast(wanted)


def _boolean(text: pa.Array) -> pa.Array:
    found = pc.is_in(text, pa.array(["t", "1", "true"]))
    return pc.if_else(pc.is_valid(text), found, pa.scalar(None, pa.bool_()))


def _in_calendar(array: pa.Array) -> bool:
    """Whether no day is of the year 0, which Arrow reads and raw does not hold."""
    if not (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)):
        return True
    whole = array.view(pa.int32() if pa.types.is_date(array.type) else pa.int64())
    least = pc.min(whole).as_py()
    days = least if pa.types.is_date(array.type) else None if least is None else least // 86_400_000_000
    return days is None or days >= (dt.date(1, 1, 1) - dt.date(1970, 1, 1)).days


def _fitting(text: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Which texts the type can hold, never null."""
    pattern = next((one for is_kind, one in _PATTERNS if is_kind(wanted)), "^$")
    fits = pc.fill_null(pc.match_substring_regex(text, pattern), False)
    candidates = pc.unique(text.filter(fits))
    bad = [one for one in candidates.to_pylist() if not _holds(one, wanted)]
    return pc.and_(fits, pc.invert(pc.fill_null(pc.is_in(text, pa.array(bad, pa.string())), False))) if bad else fits


def _holds(text: str, wanted: pa.DataType) -> bool:
    try:
        array = _cast(pa.array([text]), wanted)
    except pa.ArrowInvalid:
        return False
    return _in_calendar(array)


def _overflow(misfits: Sequence[_Misfit], rows: int) -> pa.Array:
    """One map per row, null where nothing overflowed; keys in the order of the columns."""
    owners = pa.concat_arrays([one.rows for one in misfits]).cast(pa.int64())
    names = pa.array([one.name for one in misfits for _ in range(len(one.rows))], pa.string())
    texts = pa.concat_arrays([one.texts for one in misfits])
    order = pc.sort_indices(owners)
    offsets = pc.search_sorted(owners.take(order), pa.arange(0, rows + 1)).cast(pa.int32())
    empty = pc.equal(offsets[1:], offsets[:-1])
    return pa.MapArray.from_arrays(offsets, names.take(order), texts.take(order), mask=empty)
