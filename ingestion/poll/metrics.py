"""Counters of polling, for `--metrics-port`."""

from prometheus_client import Counter, Gauge, Histogram

ROWS = Counter("frazil_poll_rows", "New rows handed on, by raw table.", ["table"])
REPEATS = Counter("frazil_poll_repeats", "Rows met again that had been handed on, by raw table.", ["table"])
FAILURES = Counter("frazil_poll_failures", "Polls that failed and are tried again, by raw table.", ["table"])
HELD = Gauge("frazil_poll_remembered_rows", "Rows that a later poll may meet again, by raw table.", ["table"])
LAST = Gauge("frazil_poll_last_success_seconds", "When the last poll succeeded, since 1970, by raw table.", ["table"])
SECONDS = Histogram(
    "frazil_poll_seconds",
    "Time of one poll, from asking the database to what was found being safe.",
    ["table"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
