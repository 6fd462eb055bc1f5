"""Column types of raw webhook tables: from the exact JSON text of a value to what the row holds.

Every type has two readers with one meaning. `fast` is a msgspec type that reads the usual form while the
body is being parsed; `exact` reads the JSON text of one value, accepts the rarer forms, and is the rule.
Times are integers: microseconds since 1970 in UTC.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import Meta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_MICROSECOND = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST_MICROSECOND = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_MONEY = r"^-?[0-9]{1,16}(\.[0-9]{1,40})?\Z"
_MONEY_TEXT = re.compile(_MONEY)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}(?!\n)")
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class BadValueError(ValueError):
    """The value does not fit the declared type; the message says what was found, without the value itself."""


class ColumnType(NamedTuple):
    """`finish` turns what `fast` gives into what `exact` gives; None where they are the same."""

    arrow: pa.DataType
    fast: Any
    finish: Callable[[Any], Any] | None
    exact: Callable[[bytes], Any]


def scalar(raw: bytes) -> str | None:
    """A JSON string or number as text (numbers exactly as written), null as None; anything else is refused."""
    first = raw[:1]
    if first == b'"':
        return str(msgspec.json.decode(raw, type=str)) if b"\\" in raw else raw[1:-1].decode()
    if first == b"n" or not raw:
        return None
    if first in b"{[tf":
        raise BadValueError("neither a string nor a number")
    return raw.decode()


@lru_cache(maxsize=4096)  # a body says the same moment several times over
def iso_time(text: str) -> int:
    """ISO 8601 with an offset or Z; a time without one could be any zone's and is refused."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise BadValueError("a time without offset")
        microseconds = (moment - EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise BadValueError("not an ISO 8601 time with offset") from error
    if not _FIRST_MICROSECOND <= microseconds <= _LAST_MICROSECOND:
        raise BadValueError("a time outside the years 1 to 9999 in UTC")
    return microseconds


def epoch_time(text: str, unit: int) -> int:
    """Whole seconds (`unit` 1,000,000) or milliseconds (1,000) since 1970, up to the year 9999."""
    if not _WHOLE_NUMBER.fullmatch(text):
        raise BadValueError("not a whole number since 1970")
    moment = int(text) * unit
    if not 0 <= moment <= _LAST_MICROSECOND:
        raise BadValueError("a time outside 1970 to 9999")
    return moment


def _id(raw: bytes) -> str | None:
    text = scalar(raw)
    if text == "":
        raise BadValueError("an empty id")
    return text


def _long(raw: bytes) -> int | None:
    text = scalar(raw)
    if text is None:
        return None
    if not _WHOLE_NUMBER.fullmatch(text) or not _LOWEST <= int(text) <= _HIGHEST:
        raise BadValueError("not a 64-bit whole number")
    return int(text)


def _boolean(raw: bytes) -> bool | None:
    try:
        return {b"true": True, b"false": False, b"null": None, b"": None}[raw]
    except KeyError:
        raise BadValueError("neither true nor false") from None


def _money(raw: bytes) -> str | None:
    text = scalar(raw)
    if text is not None and not _MONEY_TEXT.fullmatch(text):
        raise BadValueError("not a plain decimal of at most 16 integer digits")
    return text


def _json(raw: bytes) -> bytes | None:
    return None if raw in (b"", b"null") else raw


def _reference(raw: bytes) -> str | None:
    if raw[:1] != b"{":
        return _id(raw)
    found = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("id")
    text = None if found is None else _id(bytes(found))
    if text is None:
        raise BadValueError("an object without id")
    return text


def _iso(raw: bytes) -> int | None:
    text = scalar(raw)
    return None if text is None else iso_time(text)


def _seconds(raw: bytes) -> int | None:
    text = scalar(raw)
    return None if text is None else epoch_time(text, 1_000_000)


def _milliseconds(raw: bytes) -> int | None:
    text = scalar(raw)
    return None if text is None else epoch_time(text, 1_000)


def _exactly(read: Callable[[bytes], Any]) -> Callable[[Any], Any]:
    return lambda raw: read(bytes(raw))


_TIME = pa.timestamp("us", tz="UTC")
_RAW = msgspec.Raw
_Long = Annotated[int, Meta(ge=_LOWEST, le=_HIGHEST)]
_Epoch = Annotated[int, Meta(ge=0, le=253_402_300_799)]
_EpochMilli = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
_Money = Annotated[str, Meta(pattern=_MONEY, max_length=58)]

TYPES: dict[str, ColumnType] = {
    "string": ColumnType(pa.string(), str | None, None, scalar),
    "id": ColumnType(pa.string(), _RAW, _exactly(_id), _id),
    "reference": ColumnType(pa.string(), _RAW, _exactly(_reference), _reference),
    "json": ColumnType(pa.string(), _RAW, _exactly(_json), _json),
    "money": ColumnType(pa.string(), _Money | None, None, _money),
    "long": ColumnType(pa.int64(), _Long | None, None, _long),
    "boolean": ColumnType(pa.bool_(), bool | None, None, _boolean),
    "timestamp": ColumnType(_TIME, str | None, iso_time, _iso),
    "timestamp_seconds": ColumnType(_TIME, _Epoch | None, lambda value: value * 1_000_000, _seconds),
    "timestamp_milliseconds": ColumnType(_TIME, _EpochMilli | None, lambda value: value * 1_000, _milliseconds),
}
"""`string`: text, or a number exactly as written. `id`: the same, not empty. `reference`: an id, or an expanded
object's own `id`. `json`: the exact source text, as UTF-8 bytes. `money`: a decimal as text. `timestamp`: ISO 8601
with offset."""
