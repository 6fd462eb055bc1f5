"""Changes to raw: the sink alone, from commit to visible, and what the sink costs behind Debezium. On real servers."""

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.report import report
from ingestion.bulk.dialects.base import by_name
from ingestion.cdc.sink import Limits, Sink
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import TestBus, running_bus
from tests.support.databases import TestPostgres, running
from tests.support.debezium import Followed
from tests.support.sources import source_of

EVENTS = int(os.environ.get("FRAZIL_BENCH_CHANGES", "400000"))
SECONDS = int(os.environ.get("FRAZIL_BENCH_SECONDS", "60"))
ROWS = int(os.environ.get("FRAZIL_BENCH_ROWS", "40000"))
PAIRS, RUNS, A_SECOND = 5, 3, 200
TABLE = (
    "create table orders (id bigint primary key, customer_id bigint, status text, amount numeric(12,2), "
    "note text, created_at timestamptz default clock_timestamp(), updated_at timestamp)"
)


def main() -> None:
    with running_bus() as bus, running("postgres") as server:
        postgres = TestPostgres(server.facts(), server)
        throughput(bus, postgres)
        latency(bus, postgres)
        behind_debezium(bus, postgres)


def throughput(bus: TestBus, postgres: TestPostgres) -> None:
    """The best of some runs, each into a lake of its own; from the first message to the last commit."""
    found, _ = _source(bus, postgres, register=False)
    size = _fill(bus, f"{found.source.name}.public.orders", EVENTS)
    runs = [_drained(found, number) for number in range(RUNS)]
    rates = sorted(EVENTS / seconds for seconds, _ in runs)
    facts = {
        "events": EVENTS,
        "envelope_bytes": size,
        "runs_events_per_second": [round(rate) for rate in rates],
        "cpu_us_per_event": [round(cpu / EVENTS * 1e6, 1) for _, cpu in runs],
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }
    report("cdc_sink_throughput", rates[-1], "events/s", ">= 40000", rates[-1] >= 40_000, facts)


def latency(bus: TestBus, postgres: TestPostgres) -> None:
    """From the source's commit until the rows can be read, at 200 transactions a second and flushes of a second."""
    found, connection = _source(bus, postgres)
    settings = _settings()
    seen: list[tuple[int, float]] = []
    with _following(found, settings, Limits(seconds=1.0)) as sink:
        _insert(connection, 1)
        _until(lambda: sink.totals.rows > 0, 60)
        with _watching(settings, found, seen):
            _write(connection, A_SECOND, SECONDS)
            _until(lambda: sink.totals.rows >= A_SECOND * SECONDS, 60)
            time.sleep(0.5)
    delays = _delays(settings, found, seen)
    p95 = statistics.quantiles(delays, n=100)[94]
    facts = {
        "transactions": len(delays),
        "p50_seconds": round(statistics.median(delays), 3),
        "p99_seconds": round(statistics.quantiles(delays, n=100)[98], 3),
        "load": os.getloadavg()[0],
    }
    report("cdc_latency_p95", p95, "s", "<= 3", p95 <= 3, facts)


def behind_debezium(bus: TestBus, postgres: TestPostgres) -> None:
    """Rows a second from insert to raw, against a consumer that throws them away; pairs in turn."""
    found, connection = _source(bus, postgres)
    _insert(connection, 1)
    topic = f"{found.source.name}.public.orders"
    with _following(found, _settings(), Limits(seconds=1.0)) as sink:
        _until(lambda: sink.totals.rows > 0, 60)
    pairs = []
    for _ in range(PAIRS):
        null = _null_rate(bus, topic, connection)
        with _following(found, _settings(), Limits(seconds=1.0)) as sink:
            before = _caught_up(sink)
            started = time.perf_counter()
            _insert(connection, ROWS)
            _wait_for(sink, before + ROWS)
            pairs.append((ROWS / (time.perf_counter() - started), null))
    ratio = statistics.median(raw / null for raw, null in pairs)
    facts = {"pairs_raw_null": [[round(raw), round(null)] for raw, null in pairs], "load": os.getloadavg()[0]}
    report("cdc_behind_debezium", ratio, "of null", ">= 0.9", ratio >= 0.9, facts)


def _source(bus: TestBus, postgres: TestPostgres, *, register: bool = True) -> tuple[Followed, Any]:
    facts = postgres.database()
    connection = postgres.connect(facts.database)
    connection.execute(TABLE.encode())
    source = source_of(facts, "postgres", bus.name("bench"), modes=("bulk", "cdc"))
    found = Followed(bus, source)
    if register:
        by_name("postgres").prepare_log(source)
        found.register()
    return found, connection


def _settings() -> Settings:
    return Settings(home=Path(tempfile.mkdtemp(prefix="frazil-bench-cdc-")))


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


def _drained(found: Followed, number: int) -> tuple[float, float]:
    """Seconds and CPU seconds from the first message to the last commit."""
    kafka = {"bootstrap.servers": found.bus.bootstrap}
    catalog = open_catalog(_settings())
    sink = Sink(catalog, found.source, kafka, found.source.name, group=f"{found.source.name}-{number}")
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
    assert done.rows == EVENTS, done
    return ended - first[0][0], cpu - first[0][1]


@contextmanager
def _following(found: Followed, settings: Settings, limits: Limits) -> Iterator[Sink]:
    """A sink at work in a thread, in a group of its own."""
    sink = found.sink(settings, limits, group=f"{found.source.name}-{time.monotonic_ns()}")
    stop = threading.Event()
    thread = threading.Thread(target=sink.run, args=(stop.is_set,))
    thread.start()
    try:
        yield sink
    finally:
        stop.set()
        thread.join()
        sink.close()


@contextmanager
def _watching(settings: Settings, found: Followed, seen: list[tuple[int, float]]) -> Iterator[None]:
    """When a reader first sees each commit: its load time and the moment."""
    stop = threading.Event()

    def watch() -> None:
        catalog = open_catalog(settings)
        while not stop.wait(0.02):
            stamp = int(catalog.load_table(f"raw.{found.source.name}_orders").properties.get("frazil.loaded-at", 0))
            if not seen or seen[-1][0] != stamp:
                seen.append((stamp, time.time()))
        catalog.close()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _delays(settings: Settings, found: Followed, seen: list[tuple[int, float]]) -> list[float]:
    catalog = open_catalog(settings)
    rows = catalog.load_table(f"raw.{found.source.name}_orders").scan().to_arrow()
    catalog.close()
    stamps = [int(one.timestamp() * 1e6) for one in rows["_loaded_at"].to_pylist()]
    committed = [one.timestamp() for one in rows["_source_at"].to_pylist()]
    delays = []
    for stamp, at in zip(stamps, committed, strict=True):
        moment = next((moment for commit, moment in seen if commit >= stamp), None)
        if moment is not None and stamp > seen[0][0]:
            delays.append(moment - at)
    return delays


def _write(connection: Any, a_second: int, seconds: int) -> None:
    """So many transactions of one row a second, evenly."""
    started = time.perf_counter()
    for number in range(a_second * seconds):
        wait = started + number / a_second - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        _insert(connection, 1)


_next = [0]


def _insert(connection: Any, count: int) -> None:
    first = _next[0] = _next[0] + 1
    _next[0] += count
    sql = (
        "insert into orders (id, customer_id, status, amount, note, updated_at) "
        "select n, n % 1000, 'paid', n % 10000, 'note of order ' || n, now() "
        f"from generate_series({first}, {first + count - 1}) n"
    )
    connection.execute(sql.encode())


def _null_rate(bus: TestBus, topic: str, connection: Any) -> float:
    options = {"bootstrap.servers": bus.bootstrap, "group.id": f"null-{time.monotonic_ns()}"}
    options |= {"isolation.level": "read_committed", "auto.offset.reset": "latest"}
    consumer = Consumer({**options, "fetch.wait.max.ms": 100})
    consumer.subscribe([topic])
    deadline = time.monotonic() + 30
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.consume(1000, timeout=0.2)
    consumer.consume(1000, timeout=1.0)
    started, count = time.perf_counter(), 0
    _insert(connection, ROWS)
    while count < ROWS and time.perf_counter() - started < 120:
        count += len([message for message in consumer.consume(10_000, timeout=0.2) if message.error() is None])
    seconds = time.perf_counter() - started
    consumer.close()
    return count / seconds


def _caught_up(sink: Sink) -> int:
    """The rows of a new lake's sink once it has read what was there before."""
    _until(lambda: sink.totals.rows > 0 and not any(sink.lag().values()), 120)
    return sink.totals.rows


def _wait_for(sink: Sink, rows: int) -> None:
    _until(lambda: sink.totals.rows >= rows, 120)


def _until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("the benchmark waited too long")
        time.sleep(0.01)
