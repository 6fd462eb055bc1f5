"""A polled row as JSON, such as {"order_id":101,"amount":220.0,"created_at":"2025-01-15T12:24:00Z"}, and back.

Numbers have all their digits and, where the column has decimals, at least one; times are ISO 8601 and UTC. Floats that
are no numbers are texts, bytes are base64, and `_raw_overflow` is there only where a value did not fit.
"""

import base64
import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Context, Decimal
from typing import Any

import msgspec
import pyarrow as pa

from ingestion.bulk.rows import OVERFLOW

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_EXACT = Context(prec=100)
_FLOATS = ("NaN", "Infinity", "-Infinity")


def bodies(batch: pa.RecordBatch) -> Iterator[bytes]:
    """One JSON object per row; columns in the batch's order, by their raw names."""
    names = [field.name for field in batch.schema]
    columns = [
        [None if value is None else written(value) for value in column.to_pylist()]
        for written, column in ((_writer(field.type), batch.column(at)) for at, field in enumerate(batch.schema))
    ]
    for values in zip(*columns, strict=True):
        row = dict(zip(names, values, strict=True))
        if row.get(OVERFLOW.name) is None:
            row.pop(OVERFLOW.name, None)
        yield _encode(row)


def decoded(body: bytes) -> dict[str, Any]:
    """The object; raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError for what is none."""
    return _decoder.decode(body)


class RowReader:
    """Gives a row's values in the order of some columns, as Arrow takes them; what is missing is null."""

    def __init__(self, columns: pa.Schema) -> None:
        self.names = frozenset(columns.names)
        self._columns = [(field.name, field.type, _reader(field.type)) for field in columns]

    def values(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Raises ValueError for a value that its column cannot hold."""
        found = []
        for name, kind, read in self._columns:
            value = row.get(name)
            try:
                found.append(None if value is None else read(value))
            except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
                raise ValueError(f"{name}: {str(value)[:100]!r} is no {kind} ({error})") from error
        return tuple(found)


def _writer(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_decimal(kind):
        return _number
    if pa.types.is_floating(kind):
        return lambda value: value if math.isfinite(value) else _no_number(value)
    if pa.types.is_timestamp(kind):
        return lambda value: value.replace(tzinfo=None).isoformat() + "Z"
    if pa.types.is_date(kind):
        return lambda value: value.isoformat()
    if pa.types.is_binary(kind):
        return lambda value: base64.b64encode(value).decode()
    return dict if pa.types.is_map(kind) else lambda value: value


def _no_number(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _number(value: Decimal) -> msgspec.Raw:
    text = f"{value:f}"
    whole, point, digits = text.partition(".")
    return msgspec.Raw(f"{whole}.{digits.rstrip('0') or '0'}".encode() if point else text.encode())


def _reader(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_decimal(kind):
        return lambda value: _fitting(value, kind)
    if pa.types.is_floating(kind):
        return _float
    if pa.types.is_boolean(kind):
        return lambda value: _of(bool, value)
    if pa.types.is_integer(kind):
        return lambda value: _whole(value, kind.bit_width)
    if pa.types.is_timestamp(kind):
        return _microseconds
    if pa.types.is_date(kind):
        return lambda value: (dt.date.fromisoformat(value) - dt.date(1970, 1, 1)).days
    if pa.types.is_binary(kind):
        return lambda value: base64.b64decode(value, validate=True)
    if pa.types.is_map(kind):
        return lambda value: [(str(name), _of(str, text)) for name, text in _of(dict, value).items()]
    return lambda value: _of(str, value)


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"a {kind.__name__} is wanted")
    return value


def _whole(value: Any, bits: int) -> int:
    if isinstance(value, Decimal) and value == int(value):
        value = int(value)
    limit = 1 << (bits - 1)
    if not -limit <= _of(int, value) < limit:
        raise ValueError("too large")
    return int(value)


def _fitting(value: Any, kind: pa.DataType) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("a number is wanted")
    found = Decimal(value)
    kept = found.quantize(Decimal(1).scaleb(-kind.scale), context=_EXACT)
    if kept != found or kept.adjusted() + 1 + kind.scale > kind.precision:
        raise ValueError("too many digits")
    return kept


def _float(value: Any) -> float:
    if (isinstance(value, str) and value not in _FLOATS) or isinstance(value, bool):
        raise ValueError("a number is wanted")
    return float(value)


def _microseconds(value: Any) -> int:
    """A time without a zone is UTC."""
    found = dt.datetime.fromisoformat(value)
    return ((found if found.tzinfo else found.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICROSECOND
