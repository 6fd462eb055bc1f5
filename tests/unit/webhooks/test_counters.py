"""Counts that survive the process that counted."""

import time
from math import inf
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingestion.webhooks import metrics
from ingestion.webhooks.counters import Counters, Key, read_counters
from ingestion.webhooks.limits import TokenBucket
from ingestion.webhooks.sources import SourceConfig

ONE, TWO, THREE = Key("one"), Key("two", ("a", "b")), Key("three")


def test_counts_are_readable_while_they_grow_and_after_the_process_has_gone(tmp_path: Path) -> None:
    counters = Counters.open(tmp_path / "w.counts", [ONE, TWO])

    counters.add(ONE)
    counters.add(TWO, 5)

    assert read_counters(tmp_path / "w.counts") == {ONE: 1, TWO: 5}
    again = Counters.open(tmp_path / "w.counts", [TWO, THREE])
    assert (again.get(TWO), again.get(THREE)) == (5, 0)


def test_a_file_that_is_no_counter_file_counts_as_empty(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 100, b"\x05\0\0\0\0\0\0\0hello"):
        (tmp_path / "w.counts").write_bytes(content)
        assert Counters.open(tmp_path / "w.counts", [ONE]).get(ONE) == 0


def test_a_file_that_was_cut_off_counts_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "w.counts"
    Counters.open(path, [ONE, TWO]).close()
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read_counters(path) == {}


def test_workers_are_added_up_and_shown_as_prometheus_reads_them(
    tmp_path: Path, sources: dict[str, SourceConfig]
) -> None:
    for number in range(2):
        keys = metrics.keys(sources.values(), f"worker-{number}")
        counters = Counters.open(tmp_path / f"worker-{number}.counts", keys)
        counters.add(metrics.requests("shopify"), 10)
        counters.put(Key("frazil_journal_deliveries", (f"worker-{number}",)), number)
        metrics.observe_commit(counters, 0.003)
        metrics.observe_commit(counters, 60.0)

    text = metrics.exposition(tmp_path).decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    assert samples["frazil_webhook_requests_total", ("source", "shopify")] == 20
    assert samples["frazil_journal_deliveries", ("worker", "worker-0")] == 0
    assert samples["frazil_journal_deliveries", ("worker", "worker-1")] == 1
    assert samples["frazil_journal_commit_seconds_bucket", ("le", "0.005")] == 2
    assert samples["frazil_journal_commit_seconds_bucket", ("le", "+Inf")] == 4
    assert {family.name for family in text_string_to_metric_families(text)} == {
        name.removesuffix("_total") for name in metrics.METRICS
    }


def test_gauges_of_a_worker_that_has_gone_are_not_shown(
    tmp_path: Path, sources: dict[str, SourceConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = [Counters.open(tmp_path / f"{name}.counts", metrics.keys(sources.values(), name)) for name in ("w0", "w1")]
    for counters in opened:
        counters.add(metrics.requests("shopify"), 10)
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    metrics.live(opened[0], "w0")
    metrics.live(opened[1], "w1")
    monkeypatch.setattr(time, "time", lambda: 1_090.0)
    metrics.live(opened[0], "w0")

    text = metrics.exposition(tmp_path).decode()

    assert 'frazil_journal_deliveries{worker="w0"} 0.0' in text
    assert 'worker="w1"' not in text
    assert 'frazil_webhook_requests_total{source="shopify"} 20.0' in text


def test_what_a_killed_worker_never_answered_is_counted_as_refused(
    tmp_path: Path, sources: dict[str, SourceConfig]
) -> None:
    counters = Counters.open(tmp_path / "w.counts", metrics.keys(sources.values(), "w"))
    counters.add(metrics.requests("stripe"), 5)
    counters.add(metrics.outcome("stripe", "accepted"), 2)
    counters.add(metrics.outcome("stripe", "quarantined", "thin_event"), 1)

    assert metrics.settle(counters, sources.values()) == 2
    assert metrics.settle(counters, sources.values()) == 0
    assert counters.get(metrics.outcome("stripe", "refused", "died")) == 2


def test_a_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0)

    assert [bucket.take(0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(0.25) == 0.25
    assert bucket.take(0.5) == 0
    assert [bucket.take(100.0) for _ in range(4)][:3] == [0, 0, 0]
    assert bucket.take(50.0) > 0


def test_a_bucket_without_a_rate_gives_nothing() -> None:
    assert TokenBucket(rate=0.0, burst=0.0).take(1e9) == inf
