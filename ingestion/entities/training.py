"""Weights of the comparisons, from how often each pattern of levels occurs among the pairs that were compared.

Expectation maximisation: each pattern is of one customer with some probability; from these follows how often each level
occurs in pairs of one customer (m) and of two (u), and from that the probabilities again. It begins with the weights
that stand, so it needs no labels and ends the same way each time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COMPARISONS = ("first_name", "last_name", "email", "phone", "address")
HIGHEST = {"first_name": 5, "last_name": 4, "email": 4, "phone": 3, "address": 6}
ROUNDS = 60
_SMOOTHING = 0.5

Pattern = tuple[int | None, ...]
Weights = dict[tuple[str, int], float]


@dataclass(frozen=True)
class Trained:
    """Weights in bits by (comparison, level), with ("prior", 0), and the share of pairs that are of one customer."""

    weights: Weights
    share: float


def train(patterns: Mapping[Pattern, int], start: Weights) -> Trained:
    """New weights for these counts of patterns (levels in the order of COMPARISONS, None where one does not say)."""
    share = _share(start.get(("prior", 0), 0.0))
    weights = start
    for _ in range(ROUNDS):
        share, weights = _round(patterns, weights)
    return Trained({**weights, ("prior", 0): _bits(share, 1 - share)}, share)


def score(pattern: Pattern, weights: Weights) -> float:
    """The sum of a pattern's weights and the prior, in bits."""
    found = ((name, level) for name, level in zip(COMPARISONS, pattern, strict=True) if level is not None)
    return weights.get(("prior", 0), 0.0) + sum(weights.get(one, 0.0) for one in found)


def least_bits(labelled: Sequence[tuple[float, bool]], precision: float) -> float | None:
    """The lowest half bit from which on labelled pairs (their score, whether they are one customer) are so precise."""
    for step in range(-8, 40):
        bits = step / 2
        above = [is_same for scored, is_same in labelled if scored >= bits]
        if above and sum(above) >= precision * len(above):
            return bits
    return None


def _round(patterns: Mapping[Pattern, int], weights: Weights) -> tuple[float, Weights]:
    same = dict.fromkeys(_keys(), _SMOOTHING)
    different = dict.fromkeys(_keys(), _SMOOTHING)
    expected, total = 0.0, 0
    for pattern, count in patterns.items():
        one = _share(score(pattern, weights))
        expected, total = expected + one * count, total + count
        for name, level in zip(COMPARISONS, pattern, strict=True):
            if level is not None:
                same[name, level] += one * count
                different[name, level] += (1 - one) * count
    share = min(max(expected / max(total, 1), 1e-6), 1 - 1e-6)
    found: Weights = {("prior", 0): _bits(share, 1 - share)}
    for name in COMPARISONS:
        levels = range(HIGHEST[name] + 1)
        all_same = sum(same[name, level] for level in levels)
        all_different = sum(different[name, level] for level in levels)
        for level in levels:
            found[name, level] = _bits(same[name, level] / all_same, different[name, level] / all_different)
    return share, found


def _keys() -> list[tuple[str, int]]:
    return [(name, level) for name in COMPARISONS for level in range(HIGHEST[name] + 1)]


def _bits(one: float, other: float) -> float:
    return math.log2(one / other)


def _share(bits: float) -> float:
    return 1 / (1 + 2 ** -max(-60.0, min(60.0, bits)))
