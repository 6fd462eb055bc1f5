"""After 1,000 sink commits and 100 merges, what maintenance leaves against freshly built tables of the same rows."""

import statistics
import time
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog
from pyspark.sql import SparkSession

from benchmarks.report import report
from benchmarks.support.lake import bench_lake
from ingestion.lake.maintenance.plan import plan_table
from ingestion.lake.maintenance.policy import Policy
from ingestion.lake.maintenance.run import Maintenance
from ingestion.lake.sink import Limits, Sink
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from tests.support.spark import session_for

COMMITS, ROWS_A_COMMIT = 1_000, 20
MERGES, KEYS, ROWS_A_MERGE = 100, 200_000, 1_000
RAW, MERGED = "raw.shopify_orders", "staging.merged"
# Retention as the folders have it, and the night's run of a week later.
RAW_POLICY = Policy(retention_days=3, keep_snapshots=20, small_files=16)
MERGED_POLICY = Policy(retention_days=7, keep_snapshots=10, small_files=8, delete_files=4)
LATER = timedelta(days=8)
BAR = 1.5
PROPERTIES = "'format-version' = '2', 'write.merge.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read'"


def main() -> None:
    with bench_lake() as lake:
        spark = session_for(lake.settings)
        _commit_often(lake.settings)
        _merge_often(spark)
        worn = {name: _figures(lake.catalog, spark, name) for name in (RAW, MERGED)}
        started = time.perf_counter()
        keeper = Maintenance(lake.catalog, lambda: spark)
        for _ in range(2):  # what the first run replaces expires in the second, as on the next night
            plans = [
                plan_table(lake.catalog.load_table(name), name, policy, (), datetime.now(UTC) + LATER)
                for name, policy in ((RAW, RAW_POLICY), (MERGED, MERGED_POLICY))
            ]
            keeper.carry_out(plans)
        seconds = time.perf_counter() - started
        fresh = {name: _rebuilt(spark, name) for name in (RAW, MERGED)}
        for name, title in ((RAW, "sink_commits"), (MERGED, "merges")):
            kept, new = _compare(lake.catalog, spark, name, fresh[name])
            inputs = {"worn": worn[name], "kept": kept, "fresh": new, "maintenance_seconds": round(seconds, 1)}
            wall = kept["query_seconds"] / new["query_seconds"]
            report(f"maintenance_query_{title}", wall, "of fresh", f"<= {BAR}", wall <= BAR, inputs)
            size = kept["manifest_bytes"] / new["manifest_bytes"]
            report(f"maintenance_metadata_{title}", size, "of fresh", f"<= {BAR}", size <= BAR, inputs)


def _commit_often(settings: Settings) -> None:
    sink = Sink(settings, Limits(events=ROWS_A_COMMIT))
    for number in range(COMMITS):
        with Journal.open(settings.journal_dir / "worker-0.db") as journal:
            journal.append(list(plain_orders(number * ROWS_A_COMMIT, ROWS_A_COMMIT)))
        for _ in sink.flushes():
            pass
    sink.close()


def _merge_often(spark: SparkSession) -> None:
    spark.sql(
        f"create table lake.{MERGED} using iceberg tblproperties ({PROPERTIES}) as "
        f"select id as key, cast(id as string) as name, 0 as version from range({KEYS})"
    )
    for number in range(1, MERGES + 1):
        spark.sql(
            f"merge into lake.{MERGED} as stored using ("
            f"select (id * 7919 + {number} * 104729) % {KEYS} as key, {number} as version from range({ROWS_A_MERGE})"
            ") as changes on stored.key = changes.key when matched then update set version = changes.version"
        )


def _rebuilt(spark: SparkSession, name: str) -> str:
    """The same rows as one freshly built table; returns its name."""
    fresh = f"{name}_fresh"
    partitions = "partitioned by (days(_loaded_at))" if name == RAW else ""
    spark.sql(f"create table lake.{fresh} using iceberg {partitions} as select * from lake.{name}")
    return fresh


def _compare(catalog: Catalog, spark: SparkSession, name: str, fresh: str) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of both, their queries taken in turn."""
    pairs = [(_query(spark, name), _query(spark, fresh)) for _ in range(9)][2:]
    kept = _sizes(catalog, name) | {"query_seconds": statistics.median(one for one, _ in pairs)}
    new = _sizes(catalog, fresh) | {"query_seconds": statistics.median(one for _, one in pairs)}
    return kept, new


def _figures(catalog: Catalog, spark: SparkSession, name: str) -> dict[str, float]:
    times = [_query(spark, name) for _ in range(4)][1:]
    return _sizes(catalog, name) | {"query_seconds": round(statistics.median(times), 3)}


def _query(spark: SparkSession, name: str) -> float:
    column = "_op" if name.startswith("raw.") else "version"
    started = time.perf_counter()
    spark.sql(f"select {column}, count(*), max(length(cast({column} as string))) from lake.{name} group by 1").collect()
    return time.perf_counter() - started


def _sizes(catalog: Catalog, name: str) -> dict[str, float]:
    """`manifest_bytes` is what planning a query reads; metadata.json holds one entry for each snapshot that is kept."""
    table = catalog.load_table(name)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    listed = len(table.io.new_input(snapshot.manifest_list))
    manifests = snapshot.manifests(table.io)
    return {
        "manifest_bytes": listed + sum(one.manifest_length for one in manifests),
        "manifests": len(manifests),
        "metadata_json_bytes": len(table.io.new_input(table.metadata_location)),
        "snapshots": len(table.snapshots()),
        "data_files": len(list(table.scan().plan_files())),
    }


if __name__ == "__main__":
    main()
