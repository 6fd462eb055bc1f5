"""Weights learnt from patterns, without labels."""

from pathlib import Path
from shutil import copy

import pytest

from ingestion.entities.explain import is_conflict
from ingestion.entities.seeds import move_tiers, read_weights, write_weights
from ingestion.entities.training import COMPARISONS, HIGHEST, SCALES, Pattern, Weights, least_bits, score, train
from ingestion.settings import PROJECT_ROOT

# Ten thousand pairs: a third of one customer, alike in nearly all, the others alike in the surname only.
PATTERNS: dict[Pattern, int] = {
    (5, 4, 4, 3, None): 1200,
    (5, 4, 4, None, None): 1400,
    (2, 4, 4, None, None): 300,
    (5, 4, 0, 3, None): 300,
    (0, 4, 0, 0, 1): 4000,
    (0, 4, 0, None, None): 2500,
    (0, 0, None, 3, None): 200,
    (5, 4, None, None, 0): 100,
}


@pytest.fixture
def start() -> dict[tuple[str, int], float]:
    return read_weights(PROJECT_ROOT / "seeds")


def test_what_tells_customers_apart_weighs_more_than_what_all_share(start: dict[tuple[str, int], float]) -> None:
    found = train(PATTERNS, start)

    assert 0.25 < found.share < 0.45
    assert found.weights["email", 4] > 3 > abs(found.weights["last_name", 4])
    assert found.weights["first_name", 0] < -3
    assert score((5, 4, 4, 3, None), found.weights) > 0 > score((0, 4, 0, 0, 1), found.weights)


def test_training_again_from_what_was_learnt_changes_nothing(start: dict[tuple[str, int], float]) -> None:
    first = train(PATTERNS, start).weights

    again = train(PATTERNS, first).weights

    assert all(abs(again[key] - bits) < 0.2 for key, bits in first.items())


def test_every_level_gets_a_finite_weight_even_if_no_pair_has_it(start: dict[tuple[str, int], float]) -> None:
    found = train({(None, None, None, None, None): 5}, start).weights

    assert {(name, level) for name in COMPARISONS for level in range(HIGHEST[name] + 1)} < set(found)
    assert all(abs(bits) < 30 for bits in found.values())


def test_tiers_begin_where_labelled_pairs_are_precise_enough(tmp_path: Path) -> None:
    labelled = [(-2.0, False)] * 50 + [(1.0, False)] * 10 + [(1.2, True)] * 60 + [(6.0, True)] * 80
    copy(PROJECT_ROOT / "seeds/er_tiers.csv", tmp_path)

    bits = least_bits(labelled, 0.95)
    assert bits == 1.5
    move_tiers(tmp_path, bits)

    lines = (tmp_path / "er_tiers.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1].split(",")[1] == f"{bits:.2f}"
    assert lines[-1].split(",")[1:] == [f"{bits + 12:.2f}", "15"]


def test_written_weights_are_read_back(tmp_path: Path, start: dict[tuple[str, int], float]) -> None:
    write_weights(tmp_path, start)

    assert read_weights(tmp_path) == start


def _is_monotone(weights: Weights) -> bool:
    scales = ([weights[name, level] for level in levels] for name, levels in SCALES.items())
    return all(bits == sorted(bits) for bits in scales)


def test_shipped_weights_and_learnt_ones_never_weigh_a_better_level_less(start: Weights) -> None:
    slips: dict[Pattern, int] = {(5, 4, 4, 1, None): 300, (0, 4, 0, 3, 6): 3000, (0, 4, 0, 1, None): 2}

    found = train(PATTERNS | slips, start).weights

    assert _is_monotone(start)
    assert _is_monotone(found)
    assert found["phone", 1] == found["phone", 2] == found["phone", 3]


# The levels of first name, last name, e-mail, telephone and address.
@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param((0, 4, 0, 1, 6), id="spouses with consecutive numbers"),
        pytest.param((0, 4, None, 1, 6), id="spouses with consecutive numbers, one without a mailbox"),
        pytest.param((0, 4, None, 3, 6), id="spouses with one number, one without a mailbox"),
        pytest.param((0, 0, 3, 1, 6), id="colleagues at info@ with extensions"),
        pytest.param((0, 0, 0, 1, 6), id="colleagues with extensions"),
    ],
)
def test_people_who_share_all_but_their_names_and_mailboxes_are_not_linked(pattern: Pattern, start: Weights) -> None:
    rarest = 2.2  # of the last name, in seeds/er_term_frequencies.csv
    bits = score(pattern, start) + (rarest if pattern[1] == 4 else 0)

    assert is_conflict({"first_name_level": pattern[0], "email_level": pattern[2], "bits": bits})
