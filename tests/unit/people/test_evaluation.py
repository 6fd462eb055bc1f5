"""Counting pairs by group sizes gives what listing all pairs gives."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.people.evaluation import agreement, scores, true_pairs_cut, unchanged_ids

CLUSTERINGS = st.integers(1, 30).flatmap(
    lambda count: st.tuples(*[st.lists(st.integers(0, 8), min_size=count, max_size=count)] * 2)
)


def _listed(groups: list[int]) -> set[tuple[int, int]]:
    return {(a, b) for a, b in combinations(range(len(groups)), 2) if groups[a] == groups[b]}


@given(CLUSTERINGS)
def test_precision_recall_and_f1_are_those_of_the_listed_pairs(groups: tuple[list[int], list[int]]) -> None:
    found, truth = (_listed(one) for one in groups)
    right = len(found & truth)

    got = scores(dict(enumerate(groups[0])), dict(enumerate(groups[1])))

    assert got.precision == pytest.approx(right / len(found) if found else 1)
    assert got.recall == pytest.approx(right / len(truth) if truth else 1)
    assert got.f1 == pytest.approx(2 * right / (len(found) + len(truth)) if found or truth else 1)
    assert got.largest == max(groups[0].count(one) for one in groups[0])


@given(CLUSTERINGS)
def test_agreement_is_that_of_the_listed_pairs_whatever_the_entities_are_called(
    groups: tuple[list[int], list[int]],
) -> None:
    one, other = (_listed(found) for found in groups)

    got = agreement(dict(enumerate(groups[0])), {key: f"entity {value}" for key, value in enumerate(groups[1])})

    assert got == pytest.approx(len(one & other) / len(one | other) if one | other else 1)


def test_a_large_entity_costs_no_listing_of_its_pairs() -> None:
    everything = dict.fromkeys(range(1_000_000), "one")

    got = scores(everything, {key: key // 2 for key in everything})

    assert got.joined_pairs == 499_999_500_000
    assert (got.recall, got.true_pairs) == (1, 500_000)


def test_a_record_without_entity_is_an_error_and_not_a_single() -> None:
    with pytest.raises(ValueError, match="1 records have no entity, for example b"):
        scores({"a": 1}, {"a": 1, "b": 1})


def test_unchanged_ids_are_those_that_still_stand_for_a_record() -> None:
    before = {"a": "ent_1", "b": "ent_1", "c": "ent_2", "d": "ent_3"}

    assert unchanged_ids(before, {"a": "ent_1", "b": "ent_9", "c": "ent_1", "d": "ent_3"}) == pytest.approx(2 / 3)


def test_true_pairs_cut_are_those_of_a_group_that_its_entities_no_longer_hold() -> None:
    truth = {"a": 1, "b": 1, "c": 1, "d": 2, "e": 2}
    groups = {"a": "g", "b": "g", "c": "g", "d": "g", "e": "h"}

    assert true_pairs_cut({"a": "x", "b": "x", "c": "y", "d": "y", "e": "z"}, groups, truth) == 2
    assert true_pairs_cut(groups, groups, truth) == 0
