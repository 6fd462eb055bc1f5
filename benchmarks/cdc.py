"""Changes to raw: one sink process alone, and Spark Structured Streaming doing the same on the same topic."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.report import report
from benchmarks.support.changes import Shop, temporary_settings
from ingestion.cdc.sink import Sink
from ingestion.lake.catalog import open_catalog
from tests.support.bus import TestBus, running_bus
from tests.support.databases import TestPostgres, running
from tests.support.spark import link_jars

EVENTS = int(os.environ.get("FRAZIL_BENCH_CHANGES", "400000"))
PAIRS = int(os.environ.get("FRAZIL_BENCH_PAIRS", "5"))
_PEER = (sys.executable, "-m", "benchmarks.support.streaming")


def main() -> None:
    """Pairs in turn; each run reads the whole topic into a table of its own, and both count from the first message to
    the last commit. A first run of each is not counted."""
    with running_bus() as bus, running("postgres") as server:
        shop = Shop(bus, TestPostgres(server.facts(), server), register=False)
        topic = f"{shop.source.name}.public.orders"
        size = _fill(bus, topic, EVENTS)
        with _peer(bus, topic) as streamed:
            _drained(shop, 0)
            streamed()
            load = os.getloadavg()[0]
            pairs = [(_drained(shop, number + 1), streamed()) for number in range(PAIRS)]
    rates = [EVENTS / seconds for (seconds, _), _ in pairs]
    rate = statistics.median(rates)
    facts: dict[str, Any] = {
        "events": EVENTS,
        "envelope_bytes": size,
        "runs_events_per_second": [round(one) for one in rates],
        "cpu_us_per_event": [round(cpu / EVENTS * 1e6, 1) for (_, cpu), _ in pairs],
        "load_before": load,
        "cores": os.cpu_count(),
    }
    report("cdc_sink_throughput", rate, "events/s", ">= 40000", rate >= 40_000, facts)
    ratio = statistics.median(spark / own for (own, _), spark in pairs)
    facts = {
        "events": EVENTS,
        "sink_events_per_second": [round(one) for one in rates],
        "spark_events_per_second": [round(EVENTS / spark) for _, spark in pairs],
        "load_before": load,
    }
    report("cdc_sink_to_spark", ratio, "x Spark", ">= 3", ratio >= 3, facts)


@contextmanager
def _peer(bus: TestBus, topic: str) -> Iterator[Callable[[], float]]:
    """Spark's process, idle but while it is asked for the seconds of a run."""
    link_jars(home := temporary_settings().home_dir)
    words = (*_PEER, bus.bootstrap, topic, str(home))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, told = process.stdin, process.stdout

        def streamed() -> float:
            asked.write("\n")
            for line in told:
                if line.startswith("{"):
                    found = json.loads(line)
                    assert found["rows"] == EVENTS, found
                    return float(found["seconds"])
            raise SystemExit("Spark ended")

        yield streamed
        asked.close()
        if process.wait(60):
            raise SystemExit(f"Spark ended with {process.returncode}")


def _fill(bus: TestBus, topic: str, count: int) -> int:
    """Envelopes as Debezium writes them, of a table of 7 columns; returns the bytes of one."""
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": bus.bootstrap, "linger.ms": 50, "batch.size": 1_000_000})
    value = b""
    for number in range(count):
        value = _envelope(number)
        producer.produce(topic, value, key=b'{"id":%d}' % number, partition=number % 4)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return len(value)


def _envelope(number: int) -> bytes:
    lsn = 30_000_000 + number * 200
    after = {
        "id": number,
        "customer_id": number % 1000,
        "status": "paid",
        "amount": f"{number % 10_000}.{number % 100:02d}",
    }
    after |= {"note": f"order {number}", "created_at": f"2026-01-02T03:04:05.{number % 1_000_000:06d}Z"}
    after |= {"updated_at": 1_795_645_900_257_497 + number}
    source: dict[str, Any] = {"version": "3.5.0.Final", "connector": "postgresql", "name": "bench"}
    source |= {"ts_ms": 1_795_645_898_190, "snapshot": "false", "db": "shop", "sequence": f'["{lsn - 100}","{lsn}"]'}
    source |= {
        "ts_us": 1_795_645_898_190_643,
        "ts_ns": 1_795_645_898_190_643_000,
        "schema": "public",
        "table": "orders",
    }
    source |= {"txId": 754 + number % 1000, "lsn": lsn, "xmin": None, "origin": None, "origin_lsn": None}
    times = {"ts_ms": 1_795_645_900_257, "ts_us": 1_795_645_900_257_497, "ts_ns": 1_795_645_900_257_497_909}
    event = {"before": None, "after": after, "source": source, "transaction": None, "op": "c", **times}
    return json.dumps(event, separators=(",", ":")).encode()


def _drained(shop: Shop, number: int) -> tuple[float, float]:
    """Seconds and CPU seconds from the first message to the last commit."""
    kafka = {"bootstrap.servers": shop.followed.bus.bootstrap}
    catalog = open_catalog(temporary_settings())
    sink = Sink(catalog, shop.source, kafka, shop.source.name, group=f"{shop.source.name}-{number}")
    first: list[tuple[float, float]] = []
    take = sink._held.take

    def timed(messages: Any) -> None:
        if not first:
            first.append((time.perf_counter(), time.process_time()))
        take(messages)

    sink._held.take = timed  # type: ignore[method-assign]
    done = sink.run(lambda: False, once=True)
    ended, cpu = time.perf_counter(), time.process_time()
    sink.close()
    catalog.close()
    assert done.rows == EVENTS, done
    return ended - first[0][0], cpu - first[0][1]


if __name__ == "__main__":
    main()
