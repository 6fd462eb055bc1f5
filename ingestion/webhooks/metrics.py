"""What the server counts, and `/metrics` in Prometheus's text format, added up over all workers."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ingestion.reasons import BAD_TIME, DELETE_WITH_CONTENT, NO_KEY, NO_TIME, NOT_JSON, UNKNOWN_TOPIC, WRONG_SHAPE
from ingestion.webhooks.answers import REFUSED
from ingestion.webhooks.counters import Counters, Key, read_counters
from ingestion.webhooks.sources import SourceConfig


class MetricType(NamedTuple):
    """One metric as docs/reference lists it; `labels` in the order of a key's label values."""

    kind: str
    labels: tuple[str, ...]
    help: str


METRICS = {
    "frazil_webhook_requests_total": MetricType(
        "counter", ("source",), "Requests received; `unknown`: no such source."
    ),
    "frazil_webhook_outcomes_total": MetricType(
        "counter",
        ("source", "outcome", "reason"),
        "Answers: accepted + repeated + quarantined + refused = requests that were answered.",
    ),
    "frazil_webhook_connections_cut_total": MetricType(
        "counter", ("phase",), "Connections cut because headers or body stopped arriving."
    ),
    "frazil_webhook_samples_total": MetricType("counter", ("source",), "Wrongly signed requests kept as a sample."),
    "frazil_bus_deliveries_total": MetricType(
        "counter", ("path",), "Deliveries stored, by where: kafka, or journal while Kafka does not answer."
    ),
    "frazil_bus_up": MetricType("gauge", ("worker",), "1 while deliveries go to Kafka; only with FRAZIL_BUS=kafka."),
    "frazil_journal_commit_seconds": MetricType("histogram", (), "Time to bring one group of deliveries to disk."),
    "frazil_journal_deliveries": MetricType("gauge", ("worker",), "Deliveries that wait for the sink."),
    "frazil_journal_free_bytes": MetricType("gauge", ("worker",), "Free space where the journal lies."),
    "frazil_journal_ready": MetricType("gauge", ("worker",), "1 while the journal takes deliveries."),
}
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
DOOR_REASONS = (NOT_JSON, WRONG_SHAPE, UNKNOWN_TOPIC, NO_KEY, NO_TIME, BAD_TIME, DELETE_WITH_CONTENT)
REFUSALS = tuple(reason for reason in REFUSED if reason != "source")  # without a source there is nothing to count by
UNKNOWN = "unknown"
_SEEN = "seen"  # of each worker, in seconds since 1970; not shown
_GONE_SECONDS = 60


def outcome(source: str, name: str, reason: str = "") -> Key:
    """The count of one kind of answer; `reason` says why a request was quarantined or refused."""
    return Key("frazil_webhook_outcomes_total", (source, name, reason))


def requests(source: str) -> Key:
    """The count of requests received."""
    return Key("frazil_webhook_requests_total", (source,))


def keys(sources: Iterable[SourceConfig], worker: str, *, has_bus: bool = False) -> Iterator[Key]:
    """Every key one worker counts: the set is fixed, so no sender can make it grow."""
    for source in sources:
        yield requests(source.source)
        yield outcome(source.source, "accepted")
        yield outcome(source.source, "repeated")
        for reason in (*DOOR_REASONS, *source.quarantine_when):
            yield outcome(source.source, "quarantined", reason)
        for reason in REFUSALS:
            yield outcome(source.source, "refused", reason)
        yield Key("frazil_webhook_samples_total", (source.source,))
    yield requests(UNKNOWN)
    yield outcome(UNKNOWN, "refused", "source")
    for phase in ("headers", "body"):
        yield Key("frazil_webhook_connections_cut_total", (phase,))
    for path in ("kafka", "journal"):
        yield Key("frazil_bus_deliveries_total", (path,))
    if has_bus:
        yield Key("frazil_bus_up", (worker,))
    for bound in (*map(str, BUCKETS), "+Inf"):
        yield Key("frazil_journal_commit_seconds", ("bucket", bound))
    yield Key("frazil_journal_commit_seconds", ("sum_us",))
    for gauge in ("frazil_journal_deliveries", "frazil_journal_free_bytes", "frazil_journal_ready", _SEEN):
        yield Key(gauge, (worker,))


def settle(counters: Counters, sources: Iterable[SourceConfig]) -> int:
    """Count as refused (`died`) what a killed worker had received and never answered; returns how many."""
    unanswered = 0
    for source in sources:
        answered = sum(
            counters.get(key)
            for key in keys([source], "")
            if key.labels[:1] == (source.source,) and key.name == "frazil_webhook_outcomes_total"
        )
        missing = counters.get(requests(source.source)) - answered
        if missing > 0:
            counters.add(outcome(source.source, "refused", "died"), missing)
            unanswered += missing
    return unanswered


def observe_commit(counters: Counters, seconds: float) -> None:
    """One commit into the histogram (buckets are kept apart here and cumulated when shown)."""
    bound = next((str(item) for item in BUCKETS if seconds <= item), "+Inf")
    counters.add(Key("frazil_journal_commit_seconds", ("bucket", bound)))
    counters.add(Key("frazil_journal_commit_seconds", ("sum_us",)), round(seconds * 1e6))


def live(counters: Counters, worker: str) -> None:
    """Note that the worker's gauges are of this moment; without that they are not shown after a minute."""
    counters.put(Key(_SEEN, (worker,)), int(time.time()))


def totals(folder: Path) -> dict[Key, int]:
    """All workers' counts added up; gauges carry their worker in the labels, so they stay apart."""
    summed: dict[Key, int] = defaultdict(int)
    for path in sorted(folder.glob("*.counts")):
        for key, value in read_counters(path).items():
            summed[key] += value
    return summed


class _Files(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        found = totals(self._folder)
        oldest = time.time() - _GONE_SECONDS
        gone = {key.labels for key, seen in found.items() if key.name == _SEEN and 0 < seen < oldest}
        for name, kind in METRICS.items():
            rows = {key.labels: value for key, value in found.items() if key.name == name and key.labels not in gone}
            if kind.kind == "histogram":
                yield _histogram(name, kind.help, rows)
                continue
            family = CounterMetricFamily if kind.kind == "counter" else GaugeMetricFamily
            metric = family(name, kind.help, labels=kind.labels)
            for labels, value in rows.items():
                metric.add_metric(labels, value)
            yield metric


def _histogram(name: str, help_text: str, rows: dict[tuple[str, ...], int]) -> HistogramMetricFamily:
    buckets: list[tuple[str, float]] = []
    count = 0
    for bound in (*map(str, BUCKETS), "+Inf"):
        count += rows.get(("bucket", bound), 0)
        buckets.append((bound, count))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=rows.get(("sum_us",), 0) / 1e6)


def exposition(folder: Path) -> bytes:
    """The body of `/metrics`."""
    registry = CollectorRegistry()
    registry.register(_Files(folder))
    return generate_latest(registry)
