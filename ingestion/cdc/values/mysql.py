"""MySQL's and MariaDB's values as Debezium carries them, into the form that the typed projection gives."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from ingestion.cdc.values import base
from ingestion.cdc.values.calendar import day_text, moment_text, time_text
from ingestion.cdc.values.shapes import shape_text

_SHAPES = (
    *("geometry", "point", "linestring", "polygon"),
    *("multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection"),
)
_ZERO = "1970-01-01T00:00:00Z"
_SIZE = re.compile(r"\((\d+)")


def reader(source_type: str, kind: pa.DataType) -> base.Reader:
    """Reads the values of a column declared as `source_type` whose raw type is `kind`."""
    name = re.split(r"[\s(]", source_type, maxsplit=1)[0]
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return {"tinyint": _whole, "year": _years}.get(name, base.plain)(kind)
    if pa.types.is_floating(kind):
        return base.floats(kind)
    if pa.types.is_decimal(kind):
        return _unsigned if name == "bigint" else base.decimals(str)
    if pa.types.is_date(kind):
        return base.days(lambda days: "".join(day_text(days)))
    if pa.types.is_timestamp(kind):
        return partial(_moments, digits=_size(source_type, 0)) if kind.tz else base.microseconds(moment_text)
    if name == "bit":
        return base.each(partial(_bits, size=_size(source_type, 1)), pa.binary())
    if pa.types.is_binary(kind):
        return base.binary
    if name == "time":
        digits = _size(source_type, 0)
        return base.each(lambda value: time_text(value, digits))
    if name == "decimal":
        return base.each(lambda value: base.plain_number(value, str) if value.isupper() else value)
    if name in _SHAPES:
        return base.each(lambda value: shape_text(base.unbased(value["wkb"])))
    return _texts


def _texts(values: Sequence[Any]) -> base.Read:
    """Text as it is; the log of these servers leaves nothing out."""
    return base.Read(pa.array([_text(one) if type(one) is not str else one for one in values], pa.string()))


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _whole(kind: pa.DataType) -> base.Reader:
    """tinyint(1) may come as a boolean."""
    return lambda values: base.Read(pa.array([int(one) if type(one) is bool else one for one in values], kind))


def _years(kind: pa.DataType) -> base.Reader:
    """Years begin with 1901; 1900 is what Debezium makes of the year 0000."""
    return lambda values: base.Read(pa.array([0 if one == 1900 else one for one in values], kind))


def _moments(values: Sequence[Any], digits: int) -> base.Read:
    """Such times begin a second after 1970 does; its very beginning is what Debezium makes of a time of zeros."""
    if _ZERO not in values:
        return _read_moments(values)
    zeros = "0000-00-00 00:00:00" + (f".{'0' * digits}" if digits else "")
    return base.Read(pa.array([zeros if one == _ZERO else _moment(one) for one in values], pa.string()))


def _moment(text: str | None) -> str | None:
    return None if text is None else text.replace("T", " ").replace("Z", "+00")


_read_moments = base.moments(str)


def _unsigned(values: Sequence[Any]) -> base.Read:
    """Whole numbers, or their bytes in base64, the highest first."""
    made = [
        Decimal(int.from_bytes(base.unbased(one), "big", signed=True))
        if type(one) is str and not one.isdigit()
        else None
        if one is None
        else Decimal(one)
        for one in values
    ]
    return base.Read(pa.array(made, pa.decimal128(20, 0)))


def _bits(value: Any, size: int) -> bytes:
    """Bytes with the lowest first become bytes with the highest first."""
    width = -(-size // 8)
    number = int(value) if isinstance(value, bool) else int.from_bytes(base.unbased(value), "little")
    return number.to_bytes(width, "big")


def _size(source_type: str, default: int) -> int:
    found = _SIZE.search(source_type)
    return int(found.group(1)) if found else default
