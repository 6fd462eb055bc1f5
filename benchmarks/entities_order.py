"""Ten random batch orders of the same customers, and 10,000 records that share one phone and test@example.com.

With FRAZIL_BENCH_KEEP, a folder, what was built is kept there and not built again: FRAZIL_BENCH_ORDERS=0,1 makes
some of the orders, FRAZIL_BENCH_PARTS=sharing the other part.
"""

import itertools
import os
from functools import partial
from random import Random
from typing import NamedTuple

import pyarrow as pa

from benchmarks.report import report
from benchmarks.support.entities import entity_lake, truth_of
from benchmarks.support.kept import kept
from tests.support.people.evaluation import agreement, scores
from tests.support.people.generator import people
from tests.support.people.mixes import EASY, HARD
from tests.support.people.shared import one_record_each, sharing, without_addresses

RECORDS = int(os.environ.get("FRAZIL_BENCH_RECORDS", "95000"))
ORDERED = int(os.environ.get("FRAZIL_BENCH_ORDERED_RECORDS", "20000"))
ORDERS = tuple(int(order) for order in os.environ.get("FRAZIL_BENCH_ORDERS", "0,1,2,3,4,5,6,7,8,9").split(","))
PARTS = os.environ.get("FRAZIL_BENCH_PARTS", "orders,sharing").split(",")
SHARING = 10_000
_BATCHES = 4


class Sharing(NamedTuple):
    """A build: how many of those who may share a value were joined, and how often the values all share were counted."""

    seconds: float
    joined: int
    counted: dict[str, int]  # by value


def main() -> None:
    if "orders" in PARTS:
        _orders()
    if "sharing" in PARTS:
        _shared_values()


def _orders() -> None:
    records = people(HARD, ORDERED, 1)
    at_once = kept(f"order-none-{ORDERED}", dict[str, str], lambda: _built(records))
    found = []
    for number in ORDERS:
        entities = kept(f"order-{number}-{ORDERED}", dict[str, str], partial(_built_in_batches, records, number))
        found.append(agreement(at_once, entities))
        print(f"order {number}: agreement {found[-1]:.5f}  {scores(entities, truth_of(records)).line()}", flush=True)
    inputs = {"records": ORDERED, "batches": _BATCHES, "agreements": found}
    report("entities_batch_orders", min(found), "of pairs", ">= 0.995", min(found) >= 0.995, inputs)


def _built(*batches: pa.Table) -> dict[str, str]:
    with entity_lake() as lake:
        for batch in batches:
            lake.stage(batch)
            lake.build()
        return lake.entities()


def _built_in_batches(records: pa.Table, number: int) -> dict[str, str]:
    rng = Random(number)
    shuffled = records.take(rng.sample(range(ORDERED), ORDERED))
    cuts = [0, *sorted(rng.sample(range(1, ORDERED), _BATCHES - 1)), ORDERED]
    return _built(*(shuffled.slice(start, end - start) for start, end in itertools.pairwise(cuts)))


def _shared_values() -> None:
    """The same people twice: with what they really have, and with one phone and mailbox for 10,000 of them."""
    records = people(EASY, RECORDS, 1)
    others = without_addresses(one_record_each(people(EASY, 4 * SHARING, 2), SHARING))
    _built(people(EASY, 300, 9))  # Spark's start and first compilations are no part of a build's time.
    own, shared = (_built_with(records, more) for more in (others, sharing(others)))
    joined, counted = shared.joined, sorted(shared.counted.values())[-2:]
    seconds = {"own": own.seconds, "shared": shared.seconds}
    inputs = {"records": RECORDS, "sharing": SHARING, "seconds": seconds, "counted": shared.counted}
    report("entities_shared_value_merges", joined, "merges", "0", joined == 0, inputs)
    is_counted = len(counted) == 2 and min(counted) >= SHARING
    report("entities_shared_value_counted", min(counted, default=0), "records", f">= {SHARING}", is_counted, inputs)
    ratio = shared.seconds / own.seconds
    report("entities_shared_value_wall", ratio, "of without", "<= 1.1", ratio <= 1.1, inputs)


def _built_with(records: pa.Table, more: pa.Table) -> Sharing:
    with entity_lake() as lake:
        lake.stage(_apart(records))
        lake.stage(more)
        seconds = lake.build()
        entities, keys = lake.entities(), truth_of(more)
        return Sharing(seconds, len(keys) - len({entities[key] for key in keys}), lake.records_sharing())


def _apart(records: pa.Table) -> pa.Table:
    """Ids that none of the other records has."""
    ids = [f"9{one}" if ":" not in one else f"{one}9" for one in records["source_id"].to_pylist()]
    return records.set_column(records.schema.get_field_index("source_id"), "source_id", pa.array(ids))


if __name__ == "__main__":
    main()
