"""Counters of the change stream's sink, for `--metrics-port`."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("frazil_cdc_events", "Events read from Kafka, by what became of them.", ["table", "outcome"])
COMMITS = Counter("frazil_cdc_commits", "Commits to raw tables.", ["table"])
FENCED = Counter("frazil_cdc_fenced", "Batches given up because another sink had written them.", ["table"])
FAILURES = Counter("frazil_cdc_failures", "Commits that failed and are tried again.", ["table"])
LAG = Gauge("frazil_cdc_lag_messages", "Messages of the topic's partition that are not in raw.", ["topic", "partition"])
DELAY = Gauge(
    "frazil_cdc_delay_seconds", "From the commit in the source to the commit in raw, of the last row.", ["table"]
)
STOPPED = Gauge("frazil_cdc_stopped_tables", "Tables that the sink does not go on with; the log says why.")
COMMIT_SECONDS = Histogram(
    "frazil_cdc_commit_seconds",
    "Time of one table's commit, writing and retries included.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
