"""P8, cost follows change: 1 % changed orders out of a million, against a full build of the same tables."""

import os
from random import Random

from benchmarks.report import report
from benchmarks.support.lake import bench_lake

ORDERS = int(os.environ.get("FRAZIL_BENCH_ORDERS", "1000000"))
SHARE = 0.01


def main() -> None:
    """Raw is written first and not measured; Spark is warmed by a small lake; all builds include their tests.

    So many orders change three times: the neighbours of a few days, as shops change them; then any of all days, for
    which each day's sums are made anew; then neighbours again.
    """
    changed = int(ORDERS * SHARE)
    with bench_lake() as small:
        small.land(0, 100, version=0, orders=100)
        small.build()
    with bench_lake() as lake:
        lake.land(0, ORDERS, version=0, orders=ORDERS)
        full_seconds, full = lake.build()
        lake.land(ORDERS // 2, changed, version=1, orders=ORDERS)
        change_seconds, change = lake.build()
        lake.change(sorted(Random(1).sample(range(ORDERS), changed)), version=2, orders=ORDERS)
        spread_seconds, spread = lake.build()
        lake.land(ORDERS // 4, changed, version=3, orders=ORDERS)
        later_seconds, later = lake.build()
        nothing_seconds, nothing = lake.build()
    written, anywhere, again, all_written = (sum(one.rows_written.values()) for one in (change, spread, later, full))
    inputs = {
        "orders": ORDERS,
        "changed_orders": changed,
        "full_build_seconds": round(full_seconds, 2),
        "changed_build_seconds": round(change_seconds, 2),
        "spread_build_seconds": round(spread_seconds, 2),
        "later_build_seconds": round(later_seconds, 2),
        "run_with_nothing_new_seconds": round(nothing_seconds, 3),
        "rows_written_full": all_written,
        "rows_written_changed": written,
        "rows_written_spread": anywhere,
        "rows_written_later": again,
        "rows_written_by_table": change.rows_written,
    }
    rows = written / all_written
    report("change_cost_rows", rows, "of full", "<= 0.03", rows <= 0.03, inputs)
    wall = change_seconds / full_seconds
    report("change_cost_wall", wall, "of full", "<= 0.35", wall <= 0.35, inputs)
    for name, cost, seconds in (("spread", anywhere, spread_seconds), ("later", again, later_seconds)):
        rows = cost / all_written
        report(f"change_cost_{name}_rows", rows, "of full", "<= 0.03", rows <= 0.03, inputs)
        wall = seconds / full_seconds
        report(f"change_cost_{name}_wall", wall, "of full", "<= 0.35", wall <= 0.35, inputs)
    empty = nothing_seconds / full_seconds
    report("nothing_new_wall", empty, "of full", "<= 0.02, no node run", empty <= 0.02 and not nothing.results, inputs)


if __name__ == "__main__":
    main()
