"""What the dialects' readers of values share: whole columns at once, with the rows whose value the log left out."""

import base64
import binascii
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.cdc.envelope import PLACEHOLDER

PLACEHOLDER_BASE64 = base64.b64encode(PLACEHOLDER.encode()).decode()
_PLACEHOLDER_LISTS: tuple[list[Any], ...] = ([PLACEHOLDER], [PLACEHOLDER_BASE64], list(PLACEHOLDER.encode()))
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, counted from 1970-01-01
_DAY = 86_400_000_000
FIRST_MICROSECOND, LAST_MICROSECOND = _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1


class Read(NamedTuple):
    """A column in raw's type or as the text that bulk's typing settles; `absent` are rows that hold the placeholder."""

    array: pa.Array
    absent: Sequence[int] = ()


Reader = Callable[[Sequence[Any]], Read]


def plain(kind: pa.DataType) -> Reader:
    """Values that JSON has as raw has them."""

    def read(values: Sequence[Any]) -> Read:
        return Read(pa.array(values, kind))

    return read


def floats(kind: pa.DataType) -> Reader:
    """NaN and the infinities come as text."""

    def read(values: Sequence[Any]) -> Read:
        return Read(pa.array([float(one) if type(one) is str else one for one in values], kind))

    return read


def texts(values: Sequence[Any]) -> Read:
    """Text as it is."""
    array = pa.array(values, pa.string())
    return without_placeholder(array)


def without_placeholder(array: pa.Array) -> Read:
    """Null where the placeholder stands."""
    found = pc.equal(array, PLACEHOLDER)
    if not pc.any(found).as_py():
        return Read(array)
    rows = pc.indices_nonzero(pc.fill_null(found, False)).to_pylist()
    return Read(pc.if_else(pc.fill_null(found, False), pa.scalar(None, pa.string()), array), rows)


def each(
    convert: Callable[[Any], Any],
    kind: pa.DataType | None = None,
    is_absent: Callable[[Any], bool] | None = None,
) -> Reader:
    """Value by value, for types that are rare; `kind` is text unless given. `is_absent`: other placeholders."""

    def read(values: Sequence[Any]) -> Read:
        absent = [
            row
            for row, value in enumerate(values)
            if is_placeholder(value) or (is_absent is not None and is_absent(value))
        ]
        kept = set(absent)
        made = [None if value is None or row in kept else convert(value) for row, value in enumerate(values)]
        return Read(pa.array(made, kind or pa.string()), absent)

    return read


def is_placeholder(value: Any) -> bool:
    """Whether a value stands for one that the log left out, in any of the forms that types give it."""
    if type(value) is str:
        return value in (PLACEHOLDER, PLACEHOLDER_BASE64)
    return type(value) is list and value in _PLACEHOLDER_LISTS


def binary(values: Sequence[Any]) -> Read:
    """Bytes from base64."""
    absent = [row for row, value in enumerate(values) if value == PLACEHOLDER_BASE64]
    kept = set(absent)
    made = [None if value is None or row in kept else unbased(value) for row, value in enumerate(values)]
    return Read(pa.array(made, pa.binary()), absent)


def unbased(value: str) -> bytes:
    """Raises ValueError for what is not base64."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


def decimals(special: Callable[[str], str]) -> Reader:
    """Numbers as text; `special` gives the words for what is no number."""

    def read(values: Sequence[Any]) -> Read:
        array, absent = texts(values)
        odd = pc.match_substring_regex(array, "[A-Z]")
        if pc.any(odd).as_py():
            made = [
                one if one is None or not one.isupper() else plain_number(one, special) for one in array.to_pylist()
            ]
            array = pa.array(made, pa.string())
        return Read(array, absent)

    return read


def plain_number(text: str, special: Callable[[str], str]) -> str:
    """A number without an exponent, all digits kept. Raises ValueError for what is none."""
    if text.isalpha() or "_" in text:
        return special(text)
    try:
        return format(Decimal(text), "f")
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is no number") from error


def days(text: Callable[[int], str]) -> Reader:
    """Dates as days since 1970; `text` is what the source prints for a day out of the calendar."""

    def read(values: Sequence[Any]) -> Read:
        array = pa.array(values, pa.int64())
        if _within(array, _FIRST_DAY, _LAST_DAY):
            return Read(array.cast(pa.int32()).cast(pa.date32()))
        return Read(pa.array([None if one is None else text(one) for one in values], pa.string()))

    return read


def microseconds(text: Callable[[int], str]) -> Reader:
    """Times without a zone as microseconds since 1970; `text` is what the source prints."""

    def read(values: Sequence[Any]) -> Read:
        array = pa.array(values, pa.int64())
        if _within(array, FIRST_MICROSECOND, LAST_MICROSECOND):
            return Read(array.cast(pa.timestamp("us")))
        return Read(pa.array([None if one is None else text(one) for one in values], pa.string()))

    return read


def moments(text: Callable[[str], str]) -> Reader:
    """Times in UTC as ISO 8601; `text` is what the source prints for the same time."""
    wanted = pa.timestamp("us", tz="UTC")

    def read(values: Sequence[Any]) -> Read:
        array = pa.array(values, pa.string())
        try:
            made = array.cast(wanted)
        except pa.ArrowInvalid:
            made = None
        if made is not None and _within(made.cast(pa.int64()), FIRST_MICROSECOND, LAST_MICROSECOND):
            return Read(made)
        return Read(pa.array([None if one is None else text(one) for one in values], pa.string()))

    return read


def _within(array: pa.Array, first: int, last: int) -> bool:
    if array.null_count == len(array):
        return True
    found = pc.min_max(array)
    return bool(first <= found["min"].as_py() and found["max"].as_py() <= last)
