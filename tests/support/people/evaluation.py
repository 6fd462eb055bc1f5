"""How well records were put together and how alike two ways of it are: pairs counted by group sizes, never listed."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple, TypeVar

Record = TypeVar("Record", bound=Hashable)


class Scores(NamedTuple):
    """Of pairs of records: the share of joined ones that is right, the share of right ones that is joined."""

    precision: float
    recall: float
    f1: float
    joined_pairs: int
    true_pairs: int
    largest: int  # records of the largest entity

    def line(self) -> str:
        return f"P {self.precision:.4f}  R {self.recall:.4f}  F1 {self.f1:.4f}  largest {self.largest}"


def scores(found: Mapping[Record, Hashable], truth: Mapping[Record, Hashable]) -> Scores:
    """`found` and `truth` name each record's entity and person; every record of the truth must have been found."""
    missing = truth.keys() - found.keys()
    if missing:
        raise ValueError(f"{len(missing)} records have no entity, for example {next(iter(missing))}")
    both = _pairs((found[record], truth[record]) for record in truth)
    joined, true = _pairs(found[record] for record in truth), _pairs(truth.values())
    precision, recall = both / joined if joined else 1.0, both / true if true else 1.0
    f1 = 2 * both / (joined + true) if joined + true else 1.0
    largest = max(Counter(found[record] for record in truth).values(), default=0)
    return Scores(precision, recall, f1, joined, true, largest)


def agreement(one: Mapping[Record, Hashable], other: Mapping[Record, Hashable]) -> float:
    """Pairs joined by both of the pairs joined by either (Jaccard); 1 if neither joins any. Names do not matter."""
    if one.keys() != other.keys():
        raise ValueError(f"{len(one.keys() ^ other.keys())} records are in one result only")
    both = _pairs((one[record], other[record]) for record in one)
    either = _pairs(one.values()) + _pairs(other.values()) - both
    return both / either if either else 1.0


def true_pairs_cut(
    found: Mapping[Record, Hashable], groups: Mapping[Record, Hashable], truth: Mapping[Record, Hashable]
) -> int:
    """Pairs of one person that links join into one group, and the guard against large entities has cut apart."""
    linked, kept = (_pairs((joined[record], truth[record]) for record in truth) for joined in (groups, found))
    return linked - kept


def unchanged_ids(before: Mapping[Record, Hashable], after: Mapping[Record, Hashable]) -> float:
    """The share of the earlier entity ids that still stand for a record."""
    ids, left = set(before.values()), set(after.values())
    return len(ids & left) / len(ids) if ids else 1.0


def _pairs(groups: Iterable[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(groups).values())
