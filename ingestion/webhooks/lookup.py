"""Places turned into functions: each takes a request's headers and the values read from its body."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw

from ingestion.webhooks.columns import BadValueError, epoch_time, iso_time, scalar
from ingestion.webhooks.places import Place, Places
from ingestion.webhooks.shape import Path, Shape
from ingestion.webhooks.sources import Time

Headers = Mapping[str, str]
Values = tuple[Raw | str | None, ...]
"""What was read at each path: the exact text of a value (empty when absent), or a string or null that is decoded."""

Lookup = Callable[[Headers, Values], str | None]
TimeLookup = Callable[[Headers, Values], int | None]


class Lookups:
    """Collects every path its lookups need; `shape()` then reads them all in one pass over a body."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._paths: dict[Path, int] = {}

    def paths(self) -> list[Path]:
        """In the order of the values that the lookups take."""
        return list(self._paths)

    def shape(self) -> Shape:
        return Shape(self.paths())

    def text(self, places: Places | None, *, strict: bool = False) -> Lookup:
        """The first value there, as text. An object, array or boolean counts as its JSON text; if strict, as absent."""
        if places is None:
            return lambda headers, values: None
        if all(place.kind == "header" for place in places.choices):
            return _first_header([place.path[0] for place in places.choices])
        steps = [self._step(place, strict) for place in places.choices]
        if len(steps) == 1:
            return steps[0]

        def first(headers: Headers, values: Values) -> str | None:
            for step in steps:
                found = step(headers, values)
                if found is not None:
                    return found
            return None

        return first

    def moment(self, time: Time | None) -> TimeLookup:
        """Microseconds since 1970, None where nothing is there; raises BadValueError for what is no time."""
        if time is None:
            return lambda headers, values: None
        text = self.text(time.at)
        unit = {"iso": 0, "seconds": 1_000_000, "milliseconds": 1_000}[time.format]

        def read(headers: Headers, values: Values) -> int | None:
            found = text(headers, values)
            if found is None:
                return None
            return epoch_time(found, unit) if unit else iso_time(found)

        return read

    def _step(self, place: Place, strict: bool) -> Lookup:
        if place.kind == "header":
            name = place.path[0]
            return lambda headers, values: headers.get(name)
        path = self._data + place.path if place.kind == "data" else place.path
        index = self._paths.setdefault(path, len(self._paths))

        def step(headers: Headers, values: Values) -> str | None:
            value = values[index]
            return value if value is None or isinstance(value, str) else _as_text(bytes(value), strict)

        return step


def _first_header(names: Sequence[str]) -> Lookup:
    def first(headers: Headers, values: Values) -> str | None:
        for name in names:
            found = headers.get(name)
            if found is not None:
                return found
        return None

    return first


def _as_text(raw: bytes, strict: bool) -> str | None:
    try:
        return scalar(raw)
    except BadValueError:
        return None if strict else raw.decode()
