"""Weights of the comparisons, from how often each pattern of levels occurs among the pairs that were compared.

Expectation maximisation: each pattern is of one customer with some probability; from these follows how often each level
occurs in pairs of one customer (m) and of two (u), and from that the probabilities again. It begins with the weights
that stand, so it needs no labels and ends the same way each time.

Of two levels of one comparison the better one never weighs less: levels that would are counted as one (the pool of
adjacent violators). Pairs are compared because they share something, so what they share tells less among them than a
slip in it, which nobody looks up.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COMPARISONS = ("first_name", "last_name", "email", "phone", "address")
HIGHEST = {"first_name": 5, "last_name": 4, "email": 4, "phone": 3, "address": 6}
# The levels from the worst to the best. That names are exchanged is none of them.
SCALES = {
    "first_name": (0, 1, 2, 4, 5),
    "last_name": (0, 1, 2, 4),
    "email": (0, 1, 2, 3, 4),
    "phone": (0, 1, 2, 3),
    "address": (0, 1, 2, 3, 4, 5, 6),
}
ROUNDS = 60
_SMOOTHING = 0.5

Pattern = tuple[int | None, ...]
Key = tuple[str, int]  # a comparison and a level
Weights = dict[Key, float]


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
        found |= weights_of(name, same, different)
    return share, found


def weights_of(name: str, same: Mapping[Key, float], different: Mapping[Key, float]) -> Weights:
    """The weights of one comparison, from how many pairs of one customer and of two have each level (more than 0)."""
    pools: list[tuple[list[int], float, float]] = []
    for level in SCALES[name]:
        pool = [level], same[name, level], different[name, level]
        while pools and pools[-1][1] * pool[2] > pool[1] * pools[-1][2]:
            levels, one, other = pools.pop()
            pool = levels + pool[0], one + pool[1], other + pool[2]
        pools.append(pool)
    others = [level for level in range(HIGHEST[name] + 1) if level not in SCALES[name]]
    pools += [([level], same[name, level], different[name, level]) for level in others]
    all_same, all_different = sum(one for _, one, _ in pools), sum(other for _, _, other in pools)
    return {
        (name, level): _bits(one / all_same, other / all_different) for levels, one, other in pools for level in levels
    }


def _keys() -> list[Key]:
    return [(name, level) for name in COMPARISONS for level in range(HIGHEST[name] + 1)]


def _bits(one: float, other: float) -> float:
    return math.log2(one / other)


def _share(bits: float) -> float:
    return 1 / (1 + 2 ** -max(-60.0, min(60.0, bits)))
