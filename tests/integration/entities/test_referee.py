"""What must hold of entities, whoever resolves them: generated people in any order, records that come and go."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from tests.support.people.entities import Entities
from tests.support.people.evaluation import agreement, scores
from tests.support.people.generator import people
from tests.support.people.mixes import EASY, HARD
from tests.support.people.shared import EMPTY, hostile_records, one_record_each, sharing

pytestmark = pytest.mark.spark


def _keys(records: pa.Table) -> list[str]:
    pairs = zip(records["source"].to_pylist(), records["source_id"].to_pylist(), strict=True)
    return [f"{source}:{one}" for source, one in pairs]


def _of(entities: Entities, records: pa.Table) -> dict[str, str]:
    return {key: entities.found[key] for key in _keys(records)}


def _check_any_order(folder: Path, count: int, seed: int, batches: int) -> None:
    """All at once, and a tenth deleted, against the kept ones in batches, and that tenth added, in another lake."""
    records, rng = people(HARD, count, seed), Random(seed)
    shuffled = records.take(rng.sample(range(count), count))
    kept, going = shuffled.slice(0, count - count // 10), shuffled.slice(count - count // 10)
    cuts = [0, *sorted(rng.sample(range(1, kept.num_rows), batches - 1)), kept.num_rows]
    truth = dict(zip(_keys(records), records["person_id"].to_pylist(), strict=True))

    at_once = Entities(folder / "at-once", literal_rows=0)
    strangers = hostile_records(2), sharing(one_record_each(people(EASY, count + 300, seed).slice(count), 50))
    at_once.add(records, *strangers)
    everybody = _of(at_once, records)
    _check_that_strangers_join_nobody(at_once, everybody, *strangers)
    at_once.delete(going)
    remaining = _of(at_once, kept)
    by_and_by = Entities(folder / "by-and-by", literal_rows=count // 20)
    for start, end in pairwise(cuts):
        by_and_by.add(kept.slice(start, end - start))
    in_batches = _of(by_and_by, kept)
    by_and_by.literal_rows = count
    by_and_by.add(going)
    in_the_end = _of(by_and_by, records)

    assert not set(at_once.found) & set(_keys(going))
    assert agreement(in_batches, remaining) >= 0.995
    assert agreement(in_the_end, everybody) >= 0.995
    assert scores(everybody, truth).f1 > 0.8


def _check_that_strangers_join_nobody(
    entities: Entities, everybody: dict[str, str], hostile: pa.Table, sharers: pa.Table
) -> None:
    joined = Counter(entities.found.values())
    assert len(entities.found) == len(everybody) + hostile.num_rows + sharers.num_rows
    assert not set(everybody.values()) & set(_of(entities, hostile).values())
    assert all(joined[entities.found[key]] == 1 for key in _keys(hostile.slice(0, EMPTY * 2)))
    assert len(set(_of(entities, sharers).values())) == sharers.num_rows


def test_any_order_of_records_finds_the_same_people_deleted_ones_leave_no_trace_and_strangers_join_nobody(
    tmp_path: Path,
) -> None:
    _check_any_order(tmp_path, 600, 1, batches=2)


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_ten_random_orders_of_many_records_find_the_same_people(tmp_path: Path, seed: int) -> None:
    _check_any_order(tmp_path, 95_000, seed, batches=4)
