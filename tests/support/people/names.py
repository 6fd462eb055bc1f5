"""First and last names of a country from Faker's lists, the common ones more often, and their Latin spellings."""

import importlib
import itertools
from functools import lru_cache
from random import Random
from typing import Any

from tests.support.people.scripts import latin


class Names:
    """The names of one country. A draw is one call; the n-th name of a list has a weight of (n + 10) to the -0.7."""

    def __init__(self, locale: str) -> None:
        provider: Any = importlib.import_module(f"faker.providers.person.{locale}").Provider
        found = vars(provider)
        last = _of(found, "last_names_male", "unisex_last_names", "last_names")
        self._first = [_of(found, "first_names_male"), _of(found, "first_names_female")]
        self._last = [last, _of(found, "last_names_female") or last]
        for kind in (self._first, self._last):
            for names in kind:
                Random(locale).shuffle(names)  # alphabetical lists say nothing about what is common
        self._weights = {len(names): _weights(len(names)) for names in (*self._first, *self._last)}
        pairs = [pair for kind in ("first", "last") for pair in found.get(f"{kind}_name_pairs", ())]
        self._latin = {pair[0]: pair[2] for pair in pairs}
        # A language whose women have another form has as many of one list as of the other, in the same order.
        self._has_forms = bool(found.get("last_names_female")) and len(self._last[0]) == len(self._last[1])

    def first(self, rng: Random, gender: int) -> str:
        """A first name; gender is 0 or 1."""
        return self._draw(rng, self._first[gender])

    def last(self, rng: Random, gender: int) -> str:
        """A family name in the form of `gender`."""
        return self._draw(rng, self._last[gender])

    def form(self, last: str, gender: int) -> str:
        """The family name of a husband or wife as the other one has it, where languages differ."""
        if not self._has_forms:
            return last
        other = self._last[1 - gender]
        return self._last[gender][other.index(last)] if last in other else last

    def latin(self, name: str) -> str:
        """The name in Latin letters, as a card or a foreign system has it."""
        return self._latin.get(name) or latin(name)

    def _draw(self, rng: Random, names: list[str]) -> str:
        return rng.choices(names, cum_weights=self._weights[len(names)])[0]


@lru_cache
def names_of(locale: str) -> Names:
    """One `Names` for each country."""
    return Names(locale)


def _of(found: dict[str, Any], *kinds: str) -> list[str]:
    for kind in kinds:
        if len(found.get(kind) or ()) > 1:
            return list(dict.fromkeys(str(name) for name in found[kind]))
    return []


def _weights(count: int) -> list[float]:
    return list(itertools.accumulate((place + 10) ** -0.7 for place in range(count)))
