"""From a commit on the source until a reader of the catalog sees its row: 200 transactions a second, many tables."""

import bisect
import os
import statistics

from benchmarks.report import report
from benchmarks.support.changes import Reader, Shop, sink_process, temporary_settings, until
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import running_bus
from tests.support.databases import TestPostgres, running

A_SECOND = 200
TABLES = {10: 3, 500: 60}  # how many tables, and the bound of the 95th percentile in seconds
SECONDS = int(os.environ.get("FRAZIL_BENCH_SECONDS", "60"))
ASKED = [int(one) for one in os.environ.get("FRAZIL_BENCH_TABLES", "10,500").split(",")]


def main() -> None:
    with running_bus() as bus, running("postgres") as server:
        for tables in ASKED:
            shop = Shop(bus, TestPostgres(server.facts(), server), tables)
            _latency(shop, TABLES[tables])
            shop.close()


def _latency(shop: Shop, bound: int) -> None:
    """Every table has its topic and its raw table before the clock begins; every row that was written is counted."""
    settings, count = temporary_settings(), len(shop.tables)
    reader = Reader(shop, settings)
    for name in shop.tables:
        shop.insert(1, name)
    with sink_process(shop, settings):
        until(lambda: reader.look() == shop.rows, 900, f"the first rows of {count} tables")
        warm = shop.rows
        load = os.getloadavg()[0]
        with reader.looking(0.02):
            shop.write(A_SECOND, SECONDS)
            until(lambda: reader.records == shop.rows, 180, "the last rows")
    delays = _delays(settings, shop, reader, warm)
    assert len(delays) == A_SECOND * SECONDS, len(delays)
    points = statistics.quantiles(delays, n=100)
    facts = {
        "tables": count,
        "transactions": len(delays),
        "p50_seconds": round(points[49], 3),
        "p99_seconds": round(points[98], 3),
        "longest_seconds": round(max(delays), 3),
        "commits": sum(map(len, reader.seen.values())),
        "load_before": load,
    }
    reader.close()
    report(f"cdc_latency_{count}_tables", points[94], "s p95", f"<= {bound}", points[94] <= bound, facts)


def _delays(settings: Settings, shop: Shop, reader: Reader, warm: int) -> list[float]:
    """Of each row after the first `warm`: the moment its commit was first seen less the commit's time in the source."""
    catalog = open_catalog(settings)
    delays = []
    for name, seen in reader.seen.items():
        stamps = [stamp for stamp, _ in seen]
        rows = catalog.load_table(f"raw.{name}").scan(selected_fields=("id", "_loaded_at", "_source_at")).to_arrow()
        for row in rows.to_pylist():
            if row["id"] > warm:
                place = bisect.bisect_left(stamps, int(row["_loaded_at"].timestamp() * 1_000_000))
                delays.append(seen[place][1] - row["_source_at"].timestamp())
    catalog.close()
    return delays


if __name__ == "__main__":
    main()
