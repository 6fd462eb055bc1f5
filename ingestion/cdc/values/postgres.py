"""PostgreSQL's values as Debezium carries them, into the form that the typed projection gives."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from ingestion.cdc.values import base
from ingestion.cdc.values.calendar import day_text, moment_text, time_text
from ingestion.cdc.values.postgres_types import Carrier

_INFINITIES = {9223372036825200000: "infinity", -9223372036832400000: "-infinity"}  # of timestamps
_INFINITE_DAYS = {-2147472692: "infinity", -2147472691: "-infinity"}
_FIRST_TIMESTAMP = -210_866_803_200_000_000  # 4713 BC
_SPECIAL = {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}
_ISO = re.compile(r"([+-]?)(\d+)-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:E-?\d+)?")
_ZERO_PART = re.compile(r"(?<![\d.])-?0(?:\.0*)?[YMDHS]")


def reader(carrier: Carrier, kind: pa.DataType) -> base.Reader:
    """Reads the values of a column whose raw type is `kind`."""
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return base.plain(kind)
    if pa.types.is_floating(kind):
        return base.floats(kind)
    if pa.types.is_decimal(kind):
        return base.decimals(_special)
    if pa.types.is_date(kind):
        return base.days(_day)
    if pa.types.is_timestamp(kind):
        return base.moments(_moment) if kind.tz else _timestamps
    if pa.types.is_binary(kind):
        return base.binary
    if carrier.form == "text":
        return base.texts
    if carrier.form == "numeric":
        return base.each(lambda value: _number(carrier, value))
    is_absent = _is_absent_array if carrier.form == "array" else None
    return base.each(lambda value: _text(carrier, value), is_absent=is_absent)


def _timestamps(values: Sequence[Any]) -> base.Read:
    """Times that the log's numbers cannot tell (after 294247) come as nonsense: as if it had left them out."""
    if min([value for value in values if value is not None], default=_FIRST_TIMESTAMP) >= _FIRST_TIMESTAMP:
        return _read_timestamps(values)
    absent = [
        row
        for row, value in enumerate(values)
        if value is not None and value < _FIRST_TIMESTAMP and value not in _INFINITIES
    ]
    left_out = set(absent)
    kept = [None if row in left_out else value for row, value in enumerate(values)]
    return base.Read(_read_timestamps(kept).array, absent)


def _text(carrier: Carrier, value: Any) -> str:
    """A rare type's value as the server prints it; arrays and composites as its `to_json` does."""
    convert = _FORMS.get(carrier.form)
    if convert is not None:
        return convert(value)
    if carrier.form == "bits":
        return _bits(carrier, value)
    if carrier.form in ("array", "composite"):
        return _compact(_element(carrier, value))
    return value if isinstance(value, str) else _compact(value)


def _element(carrier: Carrier, value: Any) -> Any:
    """What stands for a value inside JSON."""
    if value is None or carrier.form in ("bool", "integer"):
        return value
    if carrier.form == "array":
        return [_element(carrier.parts[0], one) for one in value]
    if carrier.form == "composite":
        return _composite(carrier, _printed(value))
    if carrier.form == "numeric":
        text = _number(carrier, value)
        return text if text in _SPECIAL.values() else msgspec.Raw(text.encode())
    if carrier.form == "float":
        return value if isinstance(value, str) else msgspec.Raw(_float(float(value)).encode())
    if carrier.form == "json":
        return msgspec.Raw(value.encode())
    if carrier.form == "date":
        return _day(value)
    if carrier.form == "timestamp":
        return _microsecond(value).replace(" ", "T", 1)
    if carrier.form == "timestamptz":
        return re.sub(r"\+00$", "+00:00", _moment(value).replace(" ", "T", 1))
    if carrier.form == "hstore":
        return msgspec.Raw(_hstore(value).encode())
    return _text(carrier, value)


def _composite(carrier: Carrier, text: str) -> dict[str, Any]:
    """`(1,"a b",)` by the parts' names; quotes are doubled or behind a backslash."""
    values = _fields(text)
    return {
        name: _printed_element(part, value)
        for name, part, value in zip(carrier.names, carrier.parts, values, strict=True)
    }


def _printed_element(carrier: Carrier, text: str | None) -> Any:
    """A value that the server printed inside another, inside JSON."""
    if text is None:
        return None
    if carrier.form == "bool":
        return text == "t"
    if carrier.form in ("integer", "numeric", "float"):
        return text if text in ("NaN", "Infinity", "-Infinity") else msgspec.Raw(text.encode())
    if carrier.form == "json":
        return msgspec.Raw(text.encode())
    if carrier.form == "composite":
        return _composite(carrier, text)
    if carrier.form == "timestamp":
        return text.replace(" ", "T", 1)
    if carrier.form == "timestamptz":
        return re.sub(r"\+00$", "+00:00", text.replace(" ", "T", 1))
    return text


def _fields(text: str) -> list[str | None]:
    found: list[str | None] = []
    part, is_quoted, was_quoted, place = "", False, False, 1
    while place < len(text):
        letter = text[place]
        if is_quoted:
            if letter == "\\" or (letter == '"' and text[place + 1 : place + 2] == '"'):
                place += 1
                part += text[place]
            elif letter == '"':
                is_quoted = False
            else:
                part += letter
        elif letter == '"':
            is_quoted = was_quoted = True
        elif letter == "\\":
            place += 1
            part += text[place]
        elif letter in ",)":
            found.append(part if part or was_quoted else None)
            part, was_quoted = "", False
        else:
            part += letter
        place += 1
    return found


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _special(text: str) -> str:
    return _SPECIAL.get(text, text)


def _number(carrier: Carrier, value: str) -> str:
    text = base.plain_number(value, _special) if value.isupper() else value
    return text.split(".")[0] if carrier.scale < 0 and "." in text else text


def _day(days: int) -> str:
    return _INFINITE_DAYS.get(days) or "".join(day_text(days))


def _is_absent_array(value: Any) -> bool:
    """Of an array of arrays Debezium gives nulls alone, as of an array of nulls: neither is known."""
    return type(value) is list and bool(value) and all(one is None for one in value)


def _microsecond(value: int) -> str:
    return _INFINITIES.get(value) or moment_text(value)


_read_timestamps = base.microseconds(_microsecond)


def _moment(text: str) -> str:
    """As the server prints it in UTC; words such as infinity stay."""
    found = _ISO.fullmatch(text)
    if not found:
        return text
    sign, digits, month, day, time, fraction = found.groups()
    year = -int(digits) if sign == "-" else int(digits)
    era, shown = ("", year) if year > 0 else (" BC", 1 - year)
    part = (fraction or "").rstrip("0").rstrip(".")
    return f"{shown:04d}-{month}-{day} {time}{part}+00{era}"


def _time(value: int) -> str:
    return time_text(value)


def _timetz(text: str) -> str:
    """Debezium gives the time in UTC; its own offset is not in the log's event."""
    return text.removesuffix("Z") + "+00"


def _interval(text: str) -> str:
    """ISO 8601 without parts that are zero, as the server prints it."""
    date, _, time = text.partition("T")
    date, time = _ZERO_PART.sub("", date), _ZERO_PART.sub("", time)
    return f"{date}T{time}" if time else date if date != "P" else "PT0S"


def _hstore(text: str) -> str:
    pairs = json.loads(text)  # the server keeps them by length, then by bytes
    ordered = sorted(pairs.items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode()))
    return json.dumps(dict(ordered), ensure_ascii=False)


def _point(value: Mapping[str, float]) -> str:
    return f"({_float(value['x'])},{_float(value['y'])})"


def _drawn(value: Any) -> str:
    """Shapes come as bytes of a text whose numbers are written as Java writes them."""
    return _NUMBER.sub(lambda found: _float(float(found[0])), _printed(value))


def _float(value: float) -> str:
    """The shortest text that reads back to the same double, as the server prints it."""
    text = repr(value)
    if "e" in text:
        digits, exponent = text.split("e")
        sign, number = exponent[0] if exponent[0] in "+-" else "+", exponent.lstrip("+-")
        return f"{digits.removesuffix('.0')}e{sign}{int(number):02d}"
    return text.removesuffix(".0")


def _bits(carrier: Carrier, value: Any) -> str:
    """`bit(1)` is a boolean, longer ones bytes with the lowest first; a varbit's own length is not in the event."""
    if isinstance(value, bool):
        return "1" if value else "0"
    number = int.from_bytes(base.unbased(value), "little")
    return f"{number:0{carrier.scale}b}" if carrier.scale > 0 else f"{number:b}"


def _printed(value: Any) -> str:
    """The server's own text of a type that Debezium does not know, which comes as bytes."""
    return base.unbased(value).decode()


_FORMS: Mapping[str, Callable[[Any], str]] = {
    "time": _time,
    "timetz": _timetz,
    "interval": _interval,
    "hstore": _hstore,
    "point": _point,
    "drawn": _drawn,
    "printed": _printed,
}
