"""A warm `frazil run` after 100 changed orders, tests included, against the first cold build and a warm `--all` run."""

import time

from benchmarks.report import report
from benchmarks.support.lake import bench_lake

ORDERS = 10_000
CHANGED = 100


def main() -> None:
    """The cold build includes parsing and the start of Spark; medians of three warm runs."""
    with bench_lake() as lake:
        lake.land(0, ORDERS, version=0, orders=ORDERS)
        cold, _ = lake.build()
        lake.build(everything=True)
        warm, everything = [], []
        for version in range(1, 4):
            lake.land(0, CHANGED, version=version, orders=ORDERS)
            warm.append(lake.build()[0])
            everything.append(lake.build(everything=True)[0])
        started = time.perf_counter()
        _, nothing = lake.build()
        idle = time.perf_counter() - started
    changed, whole = sorted(warm)[1], sorted(everything)[1]
    inputs = {
        "orders": ORDERS,
        "changed_orders": CHANGED,
        "first_cold_build_seconds": round(cold, 2),
        "warm_run_seconds": [round(one, 2) for one in warm],
        "warm_all_seconds": [round(one, 2) for one in everything],
        "nothing_new_seconds": round(idle, 3),
    }
    report("warm_run", changed / cold, "of cold", "<= 0.4", changed / cold <= 0.4, inputs)
    report("warm_run_of_all", changed / whole, "of warm all", "<= 0.4", changed / whole <= 0.4, inputs)
    idles = idle / cold <= 0.02 and not nothing.results
    report("warm_run_nothing_new", idle / cold, "of cold", "<= 0.02", idles, inputs)


if __name__ == "__main__":
    main()
