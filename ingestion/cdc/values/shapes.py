"""Shapes from well-known binary to well-known text, as MySQL and MariaDB print them."""

import struct
from typing import NamedTuple


class _Part(NamedTuple):
    text: str
    end: int


_NAMES = {
    1: "POINT",
    2: "LINESTRING",
    3: "POLYGON",
    4: "MULTIPOINT",
    5: "MULTILINESTRING",
    6: "MULTIPOLYGON",
    7: "GEOMETRYCOLLECTION",
}


def shape_text(data: bytes) -> str:
    """Raises ValueError for bytes that are no shape."""
    try:
        return _shape(data, 0, is_named=True).text
    except (struct.error, KeyError, IndexError) as error:
        raise ValueError(f"no shape: {error}") from error


def _shape(data: bytes, start: int, *, is_named: bool) -> _Part:
    order = "<" if data[start] else ">"
    kind, place = struct.unpack_from(f"{order}I", data, start + 1)[0] & 0xFF, start + 5
    name = _NAMES[kind]
    if kind == 1:
        found = _Part(f"({_point(data, place, order)})", place + 16)
    elif kind == 2:
        found = _points(data, place, order)
    elif kind == 3:
        found = _rings(data, place, order)
    else:
        (count,) = struct.unpack_from(f"{order}I", data, place)
        end, texts = place + 4, []
        for _ in range(count):
            text, end = _shape(data, end, is_named=kind == 7)
            texts.append(text.strip("()") if kind == 4 else text)
        found = _Part(f"({','.join(texts)})", end)
    return _Part(name + found.text if is_named else found.text, found.end)


def _rings(data: bytes, place: int, order: str) -> _Part:
    (count,) = struct.unpack_from(f"{order}I", data, place)
    end, texts = place + 4, []
    for _ in range(count):
        text, end = _points(data, end, order)
        texts.append(text)
    return _Part(f"({','.join(texts)})", end)


def _points(data: bytes, place: int, order: str) -> _Part:
    (count,) = struct.unpack_from(f"{order}I", data, place)
    texts = [_point(data, place + 4 + 16 * number, order) for number in range(count)]
    return _Part(f"({','.join(texts)})", place + 4 + 16 * count)


def _point(data: bytes, place: int, order: str) -> str:
    return " ".join(f"{value:.15g}" for value in struct.unpack_from(f"{order}dd", data, place))
