"""Values that loaders get wrong, each with the exact form it must have in raw; a module per kind of database."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """`sql` is the value in the source's own words, `raw` the Python form of raw's value, `kept` its overflow text."""

    name: str
    type: str
    sql: str
    raw: Any
    kept: str | None = None


def expected_overflow(cases: Sequence[Case]) -> list[tuple[str, str]] | None:
    """`_raw_overflow` of the row that holds all cases."""
    kept = [(case.name, case.kept) for case in cases if case.kept is not None]
    return kept or None


def same(found: Any, wanted: Any) -> bool:
    """Equal, telling NaN, -0.0 and types apart."""
    if isinstance(found, dt.datetime) and isinstance(wanted, dt.datetime):
        return (found.tzinfo is None) == (wanted.tzinfo is None) and found == wanted
    return type(found) is type(wanted) and repr(found) == repr(wanted)


def moment(*parts: int) -> dt.datetime:
    """A time without a zone, as such columns hold it."""
    return dt.datetime(*parts, tzinfo=dt.UTC).replace(tzinfo=None)  # type: ignore[misc, arg-type]
