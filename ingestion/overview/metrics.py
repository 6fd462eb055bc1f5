"""The figures of `frazil status` as Prometheus gauges, made anew when they are asked for."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingestion.errors import FrazilError
from ingestion.overview.figures import Rows
from ingestion.webhooks.metrics import MetricType

METRICS = {
    "frazil_lake_up": MetricType("gauge", (), "1 if the lake's catalog could be read."),
    "frazil_status_seconds": MetricType("gauge", (), "Time it took to read all these figures."),
    "frazil_source_rows": MetricType("gauge", ("source",), "Rows in the raw tables of a source."),
    "frazil_source_silent_seconds": MetricType("gauge", ("source",), "Since the last commit of rows of a source."),
    "frazil_source_behind_seconds": MetricType(
        "gauge", ("source",), "How long the oldest rows of a source have waited in raw for a model; 0: all are read."
    ),
    "frazil_model_behind_seconds": MetricType(
        "gauge", ("model", "parent"), "How long the oldest rows of a parent have waited for a model; 0: all are read."
    ),
    "frazil_model_not_good": MetricType("gauge", ("node",), "1 for a table whose last build, or a test of it, failed."),
    "frazil_models_not_good": MetricType("gauge", (), "How many tables failed in their last build, or a test of them."),
    "frazil_models_never_built": MetricType("gauge", (), "How many models no build has brought about yet."),
    "frazil_waiting_deliveries": MetricType("gauge", ("journal",), "Deliveries in a journal that are not in raw."),
    "frazil_waiting_seconds": MetricType("gauge", ("journal",), "Age of the oldest of them; 0: none waits."),
    "frazil_journal_unreadable": MetricType("gauge", ("journal",), "1 for a journal that cannot be read."),
    "frazil_quarantine_open": MetricType("gauge", ("source", "reason"), "Quarantined events that are still open."),
    "frazil_database_table_state": MetricType(
        "gauge",
        ("source", "table", "state"),
        "1 for the state of a database table: loading, loaded, interrupted, failed.",
    ),
    "frazil_database_out_of_range_values": MetricType(
        "gauge", ("source", "table"), "Values of a database table's last load that their raw type could not hold."
    ),
    "frazil_followed_silent_seconds": MetricType(
        "gauge",
        ("table", "partition"),
        "Since the source's commit of the last change in raw, by partition of its topic.",
    ),
    "frazil_slot_up": MetricType("gauge", ("source",), "1 if a followed PostgreSQL told of its replication slot."),
    "frazil_slot_active": MetricType("gauge", ("source",), "1 while a connector reads the slot."),
    "frazil_slot_held_bytes": MetricType("gauge", ("source",), "Log that the source keeps on its disk for the slot."),
    "frazil_build_ended_timestamp_seconds": MetricType("gauge", ("by",), "When the last build ended, since 1970."),
    "frazil_build_seconds": MetricType("gauge", ("by",), "How long the last build took."),
    "frazil_build_tables": MetricType("gauge", ("by", "result"), "Tables of the last build: built, failed."),
    "frazil_build_failed_tests": MetricType("gauge", ("by",), "Tests that failed in the last build."),
    "frazil_table_rows": MetricType("gauge", ("table",), "Rows of a table."),
    "frazil_table_bytes": MetricType("gauge", ("table",), "Bytes of the data files of a table's newest snapshot."),
    "frazil_table_files": MetricType("gauge", ("table",), "Data files of a table's newest snapshot."),
    "frazil_table_small_files": MetricType("gauge", ("table",), "Those of them that could be put together."),
    "frazil_table_delete_files": MetricType("gauge", ("table",), "Delete files that a query has to apply."),
    "frazil_table_snapshots": MetricType("gauge", ("table",), "Snapshots that are kept."),
}
_TABLE = ("rows", "bytes", "files", "small_files", "delete_files", "snapshots")
Value = tuple[tuple[str, ...], float]


class Figures(Collector):
    """Reads the figures at most every `seconds`; while the lake cannot be read only `frazil_lake_up` is told, as 0."""

    def __init__(self, read: Callable[[], Mapping[str, Rows]], seconds: float = 15.0) -> None:
        self._read = read
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: tuple[float, dict[str, list[Value]]] | None = None

    def collect(self) -> Iterator[Metric]:
        values = self._values()
        for name, kind in METRICS.items():
            metric = GaugeMetricFamily(name, kind.help, labels=kind.labels)
            for labels, value in values.get(name, []):
                metric.add_metric(labels, value)
            yield metric

    def describe(self) -> Iterator[Metric]:
        """Names without values, so that registering reads nothing."""
        return iter(GaugeMetricFamily(name, kind.help, labels=kind.labels) for name, kind in METRICS.items())

    def _values(self) -> dict[str, list[Value]]:
        with self._lock:
            started = time.monotonic()
            if self._kept is None or started - self._kept[0] >= self._seconds:
                try:
                    values = values_of(self._read())
                except (FrazilError, OSError):
                    values = {"frazil_lake_up": [((), 0.0)]}
                values["frazil_status_seconds"] = [((), round(time.monotonic() - started, 3))]
                self._kept = (time.monotonic(), values)
            return self._kept[1]


def values_of(found: Mapping[str, Rows]) -> dict[str, list[Value]]:
    """Metric to its labels and values, of all figures and `slots`; what is not known (null) is left out."""
    values: dict[str, list[Value]] = {"frazil_lake_up": [((), 1.0)]}

    def tell(name: str, labels: tuple[str, ...], value: Any) -> None:
        if value is not None:
            values.setdefault(name, []).append((labels, float(value)))

    for row in found["sources"]:
        tell("frazil_source_rows", (row["source"],), row["rows"])
        tell("frazil_source_silent_seconds", (row["source"],), row["silent_seconds"])
        tell("frazil_source_behind_seconds", (row["source"],), row["behind_seconds"])
    for row in found["watermarks"]:
        tell("frazil_model_behind_seconds", (row["pipeline_name"], row["source_table"]), row["behind_seconds"])
    for row in found["journals"]:
        tell("frazil_waiting_deliveries", (row["journal"],), row["waiting"])
        tell("frazil_waiting_seconds", (row["journal"],), 0 if row["waiting"] == 0 else row["oldest_seconds"])
        tell("frazil_journal_unreadable", (row["journal"],), "problem" in row)
    for row in found["quarantine"]:
        tell("frazil_quarantine_open", (row["source"], row["reason"]), row["open"])
    for row in found["not_good"]:
        tell("frazil_model_not_good", (row["node"],), 1)
    tell("frazil_models_not_good", (), len(found["not_good"]))
    tell("frazil_models_never_built", (), len(found["never_built"]))
    for row in found["databases"]:
        tell("frazil_database_table_state", (row["source"], row["table_name"], row["status"]), 1)
        tell("frazil_database_out_of_range_values", (row["source"], row["table_name"]), row.get("out_of_range"))
    for row in found["followed"]:
        labels = (row["table"], str(row["partition"]))
        tell("frazil_followed_silent_seconds", labels, row["silent_seconds"])
    for row in found["slots"]:
        tell("frazil_slot_up", (row["source"],), row["held_bytes"] is not None)
        tell("frazil_slot_active", (row["source"],), row["is_active"])
        tell("frazil_slot_held_bytes", (row["source"],), row["held_bytes"])
    for row in {row["by"]: row for row in reversed(found["builds"])}.values():
        tell("frazil_build_ended_timestamp_seconds", (row["by"],), row["ended_at"].timestamp())
        tell("frazil_build_seconds", (row["by"],), (row["ended_at"] - row["started_at"]).total_seconds())
        tell("frazil_build_tables", (row["by"], "built"), row["built"])
        tell("frazil_build_tables", (row["by"], "failed"), len(row["failed"]))
        tell("frazil_build_failed_tests", (row["by"],), len(row["failed_tests"]))
    for row in found["tables"]:
        for name in _TABLE:
            tell(f"frazil_table_{name}", (row["table"],), row[name])
    return values


def registry(read: Callable[[], Mapping[str, Rows]]) -> CollectorRegistry:
    """What the endpoint and the text file show."""
    found = CollectorRegistry()
    found.register(Figures(read))
    return found


def write_textfile(found: CollectorRegistry, file: Path) -> None:
    """For node_exporter's textfile collector: the file is there whole, or as it was."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_bytes(generate_latest(found))
    fresh.replace(file)
