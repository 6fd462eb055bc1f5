"""The declared columns of one object, read from a body."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ingestion.reasons import NOT_JSON, WRONG_SHAPE, bad_value_of
from ingestion.webhooks.columns import TYPES, BadValueError, ColumnType
from ingestion.webhooks.lookup import Values
from ingestion.webhooks.routing import UnfitEventError
from ingestion.webhooks.shape import ABSENT, Path, Shape
from ingestion.webhooks.sources import Object, SourceConfig

_TEXT = str | None
_UNUSUAL = (msgspec.DecodeError, BadValueError, OverflowError, RecursionError, UnicodeDecodeError)


class ObjectColumns:
    """The usual forms are read in one pass, the rest value by value, with the same result.

    `looked_up` are the paths that the source's lookups read.
    """

    def __init__(self, source: SourceConfig, item: Object, looked_up: Sequence[Path]) -> None:
        paths = [source.column_path(column) for column in item.columns.values()]
        types = [TYPES[column.type] for column in item.columns.values()]
        self._names = list(item.columns)
        self._fast = _Fast(paths, types)
        self._exact = Shape(paths)
        self._types = types
        self._with_lookups = _with_lookups(paths, types, looked_up)

    def read(self, body: bytes, topic: str, object_name: str) -> tuple[Any, ...]:
        """The row of a body known to be UTF-8; raises UnfitEventError."""
        try:
            return tuple(self._fast.finished(self._fast.shape.read(body)))
        except _UNUSUAL:
            return self._read_exactly(body, topic, object_name)

    def read_with_lookups(self, body: bytes) -> tuple[Values, list[Any]] | None:
        """The values of the lookups and the row at once; None for whatever is unusual, which says nothing yet.

        For bodies in which the door found nothing wrong: where a lookup is below a JSON column, of keys that come
        twice only the last is looked at.
        """
        if self._with_lookups is None:
            return None
        try:
            if not body.isascii():
                body.decode()
            return self._with_lookups.read(body)
        except _UNUSUAL:
            return None

    def _read_exactly(self, body: bytes, topic: str, object_name: str) -> tuple[Any, ...]:
        try:
            raws = self._exact.read(body)
        except msgspec.ValidationError as error:
            raise UnfitEventError(WRONG_SHAPE, str(error), topic, object_name) from error
        except RecursionError as error:
            raise UnfitEventError(NOT_JSON, str(error), topic, object_name) from error
        row = []
        for name, kind, raw in zip(self._names, self._types, raws, strict=True):
            try:
                row.append(kind.exact(bytes(raw)))
            except BadValueError as error:
                raise UnfitEventError(bad_value_of(name), str(error), topic, object_name) from error
        return tuple(row)


class _Fast:
    """Columns read as msgspec types; `before` are the exact texts that stand before them in the shape."""

    def __init__(self, paths: Sequence[Path], types: Sequence[ColumnType], before: Sequence[Path] = ()) -> None:
        leaves = [(kind.fast, ABSENT if kind.fast is Raw else None) for kind in types]
        self.shape = Shape([*before, *paths], [*((Raw, ABSENT) for _ in before), *leaves])
        self._json = [place for place, kind in enumerate(types) if kind is TYPES["json"]]
        finishers = [(place, kind.finish) for place, kind in enumerate(types) if place not in self._json]
        self._finish = [(place, finish) for place, finish in finishers if finish is not None]

    def finished(self, columns: tuple[Any, ...]) -> list[Any]:
        row = list(columns)
        for place in self._json:  # a third of the columns: without a call for each
            raw = bytes(row[place])
            row[place] = raw if raw and raw != b"null" else None
        for place, finish in self._finish:
            if row[place] is not None:
                row[place] = finish(row[place])
        return row


class _Inner(NamedTuple):
    """Lookups below a column that is kept as JSON: that column's place, and the rest of their paths."""

    place: int
    shape: Shape

    def read(self, column: bytes | None) -> Values:
        return self.shape.read(b"{}" if column is None else column)


class _WithLookups:
    """One shape for lookups and columns: first what is only looked up, then the columns in their order."""

    def __init__(self, fast: _Fast, first: int, inner: Sequence[_Inner], places: Sequence[int]) -> None:
        self._fast, self._first, self._inner = fast, first, inner
        self._pick = itemgetter(*places) if len(places) > 1 else lambda found: tuple(found[place] for place in places)

    def read(self, body: bytes) -> tuple[Values, list[Any]]:
        found = self._fast.shape.read(body)
        row = self._fast.finished(found[self._first :])
        for inner in self._inner:
            found += inner.read(row[inner.place])
        return self._pick(found), row


def _with_lookups(paths: Sequence[Path], types: Sequence[ColumnType], looked_up: Sequence[Path]) -> _WithLookups | None:
    """None where a lookup reads as a whole what columns read in parts, or in parts what is no JSON column."""
    places = {path: place for place, path in enumerate(paths)}
    before: list[Path] = []
    below: dict[int, list[Path]] = {}
    for path in looked_up:
        above = [places[path[:length]] for length in range(1, len(path)) if path[:length] in places]
        if any(column[: len(path)] == path != column for column in paths):
            return None
        if above:
            if types[above[0]] is not TYPES["json"]:
                return None
            below.setdefault(above[0], []).append(path)
        elif path not in places:
            before.append(path)
    kinds = [_as_looked_up(kind) if path in set(looked_up) else kind for path, kind in zip(paths, types, strict=True)]
    fast = _Fast(paths, kinds, before)
    order = [*before, *paths]
    inner = []
    for place, inside in below.items():
        order += inside
        inner.append(_Inner(place, Shape([path[len(paths[place]) :] for path in inside])))
    return _WithLookups(fast, len(before), inner, [order.index(path) for path in looked_up])


def _as_looked_up(kind: ColumnType) -> ColumnType:
    """A column's type where a lookup reads the same value: as text, or as the exact source text."""
    if kind.fast is Raw or kind.fast == _TEXT:
        return kind
    return ColumnType(kind.arrow, Raw, lambda raw: kind.exact(bytes(raw)), kind.exact)
