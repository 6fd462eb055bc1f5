"""Rows a second from insert to raw, against a consumer that throws the same events away: the sink behind Debezium."""

import os
import statistics
import time

from confluent_kafka import Consumer

from benchmarks.report import report
from benchmarks.support.changes import Reader, Shop, sink_process, temporary_settings, until
from ingestion.settings import Settings
from tests.support.bus import running_bus
from tests.support.databases import TestPostgres, running

ROWS = int(os.environ.get("FRAZIL_BENCH_ROWS", "1000000"))
PAIRS = 5
PATIENCE = 600.0  # seconds
LOOK_SECONDS = 0.05  # a look takes the time of a core from those that are measured


def main() -> None:
    """Pairs in turn on one topic; a first run of each kind warms Debezium and is not counted.

    A run is long enough for its last flush, which waits for up to a second, to be a small part of it.
    """
    with running_bus() as bus, running("postgres") as server:
        shop = Shop(bus, TestPostgres(server.facts(), server))
        settings = temporary_settings()
        shop.insert(1)
        _null(shop)
        _raw(shop, settings)
        load = os.getloadavg()[0]
        pairs = [(_raw(shop, settings), _null(shop)) for _ in range(PAIRS)]
        shop.close()
    ratio = statistics.median(raw / null for raw, null in pairs)
    facts = {"rows": ROWS, "pairs_raw_null": [[round(raw), round(null)] for raw, null in pairs], "load_before": load}
    report("cdc_behind_debezium", ratio, "of null", ">= 0.9", ratio >= 0.9, facts)


def _raw(shop: Shop, settings: Settings) -> float:
    """Until a reader sees the last row, the last flush included."""
    reader = Reader(shop, settings)
    with sink_process(shop, settings):
        until(lambda: reader.look() == shop.rows, PATIENCE, "the sink to catch up")
        shop.insert(1)
        until(lambda: reader.look() == shop.rows, 60, "the sink to be at work")
        started = time.perf_counter()
        shop.insert(ROWS)
        until(lambda: reader.look() == shop.rows, PATIENCE, "the rows in raw", every=LOOK_SECONDS)
        seconds = time.perf_counter() - started
    reader.close()
    return ROWS / seconds


def _took_one(shop: Shop, consumer: Consumer) -> bool:
    """Whether the consumer has its place: an event that was made now comes."""
    shop.insert(1)
    return bool(consumer.consume(1000, timeout=0.5))


def _null(shop: Shop) -> float:
    options = {"bootstrap.servers": shop.followed.bus.bootstrap, "group.id": f"null-{time.monotonic_ns()}"}
    options |= {"isolation.level": "read_committed", "auto.offset.reset": "latest"}
    consumer = Consumer({**options, "fetch.wait.max.ms": 100})
    topic = f"{shop.source.name}.public.{shop.tables[0]}"
    until(lambda: topic in shop.followed.bus.topics(shop.source.name), 60, "the topic")
    consumer.subscribe([topic])
    until(lambda: _took_one(shop, consumer), 60, "a first event")
    until(lambda: not consumer.consume(1000, timeout=1.0), 60, "silence")
    started, count = time.perf_counter(), 0
    shop.insert(ROWS)
    while count < ROWS:
        if time.perf_counter() - started > PATIENCE:
            raise SystemExit(f"the null consumer saw {count} of {ROWS} events")
        count += len([message for message in consumer.consume(10_000, timeout=0.2) if message.error() is None])
    seconds = time.perf_counter() - started
    consumer.close()
    return ROWS / seconds


if __name__ == "__main__":
    main()
