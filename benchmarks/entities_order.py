"""Ten random batch orders of the same customers, and 10,000 records that share one phone and test@example.com."""

import itertools
import os
from random import Random

import pyarrow as pa

from benchmarks.report import report
from benchmarks.support.entities import entity_lake, truth_of
from tests.support.people.evaluation import agreement, scores
from tests.support.people.generator import people
from tests.support.people.mixes import EASY, HARD
from tests.support.people.shared import one_record_each, sharing

RECORDS = int(os.environ.get("FRAZIL_BENCH_RECORDS", "95000"))
ORDERED = int(os.environ.get("FRAZIL_BENCH_ORDERED_RECORDS", "20000"))
SHARING = 10_000
_ORDERS = 10
_BATCHES = 4


def main() -> None:
    _orders()
    _shared_values()


def _orders() -> None:
    records = people(HARD, ORDERED, 1)
    with entity_lake() as lake:
        lake.stage(records)
        lake.build()
        at_once = lake.entities()
    found = []
    for number in range(_ORDERS):
        rng = Random(number)
        shuffled = records.take(rng.sample(range(ORDERED), ORDERED))
        cuts = [0, *sorted(rng.sample(range(1, ORDERED), _BATCHES - 1)), ORDERED]
        with entity_lake() as lake:
            for start, end in itertools.pairwise(cuts):
                lake.stage(shuffled.slice(start, end - start))
                lake.build()
            entities = lake.entities()
        found.append(agreement(at_once, entities))
        print(f"order {number}: agreement {found[-1]:.5f}  {scores(entities, truth_of(records)).line()}", flush=True)
    inputs = {"records": ORDERED, "batches": _BATCHES, "agreements": found}
    report("entities_batch_orders", min(found), "of pairs", ">= 0.995", min(found) >= 0.995, inputs)


def _shared_values() -> None:
    """The same people twice: with what they really have, and with one phone and mailbox for 10,000 of them."""
    records, others = people(EASY, RECORDS, 1), one_record_each(people(EASY, 4 * SHARING, 2), SHARING)
    seconds, joined = {}, 0
    for name, more in (("own", others), ("shared", sharing(others))):
        with entity_lake() as lake:
            lake.stage(_apart(records))
            lake.stage(more)
            seconds[name] = lake.build()
            entities = lake.entities()
            inactive = lake.inactive_blocks()
        if name == "shared":
            keys = truth_of(more)
            joined = len(keys) - len({entities[key] for key in keys})
    inputs = {"records": RECORDS, "sharing": SHARING, "seconds": seconds, "rows_of_inactive_blocks": inactive}
    report("entities_shared_value_merges", joined, "merges", "0", joined == 0, inputs)
    report("entities_shared_value_counted", inactive, "rows", f">= {2 * SHARING}", inactive >= 2 * SHARING, inputs)
    ratio = seconds["shared"] / seconds["own"]
    report("entities_shared_value_wall", ratio, "of without", "<= 1.1", ratio <= 1.1, inputs)


def _apart(records: pa.Table) -> pa.Table:
    """Ids that none of the other records has."""
    ids = [f"9{one}" if ":" not in one else f"{one}9" for one in records["source_id"].to_pylist()]
    return records.set_column(records.schema.get_field_index("source_id"), "source_id", pa.array(ids))


if __name__ == "__main__":
    main()
