"""Counters of the sink, for `--metrics-port` and for whoever serves this process's registry."""

from prometheus_client import Counter, Gauge, Histogram

ENTRIES = Counter("frazil_sink_entries", "Journal entries brought into the lake.")
ROWS = Counter("frazil_sink_rows", "Rows committed.", ["table"])
RETRIES = Counter("frazil_sink_retries", "Commits made anew because another writer was faster.", ["table"])
FAILURES = Counter("frazil_sink_failures", "Flushes that failed and are tried again.")
COMMIT_SECONDS = Histogram(
    "frazil_sink_commit_seconds",
    "Time of one table's commit, retries included.",
    ["table"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
BUS_LAG = Gauge(
    "frazil_bus_lag_messages", "Messages of the bus's partition that are not in raw.", ["topic", "partition"]
)
BUS_FENCED = Counter("frazil_bus_fenced", "Batches given up because another sink had written them.", ["topic"])
BUS_FAILURES = Counter("frazil_bus_failures", "Flushes of a topic that failed and are tried again.", ["topic"])
