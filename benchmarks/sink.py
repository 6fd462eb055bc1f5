"""The sink: journal to committed raw rows per second, memory over a long run, and what the thousandth commit costs."""

import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from benchmarks.report import report
from ingestion.lake.append import AppendTable
from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import Sink
from ingestion.lake.tables import LOADED_AT, RUN_ID, ensure_table
from ingestion.settings import Settings
from ingestion.webhooks.generator.orders import placed_order
from ingestion.webhooks.generator.shopify_orders import order_request
from ingestion.webhooks.journal import Delivery, Journal

EVENTS = int(os.environ.get("FRAZIL_BENCH_EVENTS", "60000"))
LONG_RUN = int(os.environ.get("FRAZIL_BENCH_LONG_RUN", "500000"))
GROUP = 64  # deliveries in one commit of the journal, as 64 open connections make it
RUNS = 3

Order = tuple[bytes, dict[str, str], bytes]  # body, headers, the digits of its id


def main() -> None:
    throughput()
    memory()
    commits()


# How many events a second


def throughput() -> None:
    """The best of some runs, each in a process and a lake of its own: what else the machine does only slows it."""
    runs = [_in_own_process("throughput") for _ in range(RUNS)]
    rates = sorted(EVENTS / run["seconds"] for run in runs)
    report(
        "sink_throughput",
        rates[-1],
        "events/s",
        ">= 12000",
        rates[-1] >= 12_000,
        {
            "events": EVENTS,
            "body_bytes": runs[0]["body_bytes"],
            "runs_events_per_second": [round(rate) for rate in rates],
            "cpu_us_per_event": [round(run["cpu_seconds"] / EVENTS * 1e6, 1) for run in runs],
            "commits": runs[0]["commits"],
            "load_before": runs[0]["load_before"],
            "cores": os.cpu_count(),
        },
    )


def _throughput(settings: Settings) -> dict[str, object]:
    pool = _orders()
    _journal(settings, pool, 0, EVENTS)
    load = os.getloadavg()[0]
    sink = Sink(settings)
    started, cpu = time.perf_counter(), time.process_time()
    done = list(sink.flushes())
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    sink.close()
    rows = _rows(settings, "raw.shopify_orders")
    if rows != EVENTS or sum(one.counts.rows for one in done) != EVENTS:
        raise SystemExit(f"{rows} rows in raw after {EVENTS} events")
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "commits": len(done),
        "body_bytes": round(statistics.mean(len(body) for body, _, _ in pool)),
        "load_before": round(load, 2),
    }


# Whether memory grows


def memory() -> None:
    """Resident memory after each flush of a run over a journal that is filled and drained in turn."""
    run = _in_own_process("memory")
    ratio = run["second_half_median_mb"] / run["first_half_median_mb"]
    report(
        "sink_memory",
        ratio,
        "second/first",
        "<= 1.10",
        ratio <= 1.10,
        {"events": LONG_RUN, **run},
    )


def _memory(settings: Settings) -> dict[str, object]:
    """Resident memory of the sink's process after each flush, per half of the run; the first tenth only warms up.

    The medians tell whether it grows; the peaks also tell how reading and committing happened to overlap.
    """
    sink = Sink(settings)
    seen: list[tuple[int, float]] = []
    done = 0
    step = max(1, LONG_RUN // 50)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as feeder:  # the server is another process too
        while done < LONG_RUN:
            feeder.submit(_feed, settings.home_dir, done, step).result()
            for flush in sink.flushes():
                done += flush.counts.rows
                seen.append((done, _resident_mb()))
    sink.close()
    if _rows(settings, "raw.shopify_orders") != done:
        raise SystemExit("rows were lost")
    halves = [[mb for at, mb in seen if low <= at < high] for low, high in _bounds(done)]
    return {
        "first_half_median_mb": round(statistics.median(halves[0]), 1),
        "second_half_median_mb": round(statistics.median(halves[1]), 1),
        "first_half_peak_mb": round(max(halves[0]), 1),
        "second_half_peak_mb": round(max(halves[1]), 1),
        "flushes": len(seen),
        "tenths_median_mb": [round(statistics.median(mb)) for mb in _tenths(seen)],
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _feed(home: Path, first: int, count: int) -> None:
    _journal(Settings(home=home), _orders(), first, count)


def _tenths(seen: list[tuple[int, float]]) -> list[list[float]]:
    end = seen[-1][0]
    return [[mb for at, mb in seen if tenth < at * 10 / end <= tenth + 1] for tenth in range(10)]


def _bounds(done: int) -> list[tuple[float, float]]:
    return [(done * 0.1, done * 0.5), (done * 0.5, done + 1)]


# What a commit costs as commits pile up


def commits() -> None:
    """Small appends to a table with a thousand commits and to a fresh one, in turns, so that both see the same load."""
    run = _in_own_process("commits")
    for kind in ("cpu", "wall"):
        ratio = run[f"old_{kind}_ms"] / run[f"young_{kind}_ms"]
        report(f"sink_commit_{kind}", ratio, "1000th/10th", "<= 1.3", ratio <= 1.3, run)


def _commits(settings: Settings) -> dict[str, object]:
    catalog = open_catalog(settings)
    columns = pa.schema([*(pa.field(f"column_{n}", pa.string()) for n in range(40)), LOADED_AT, RUN_ID])
    rows = pa.table({name: [f"{name} {n}" for n in range(100)] for name in columns.names[:-2]})

    def table(name: str) -> AppendTable:
        ensure_table(catalog, f"raw.bench_{name}", columns)
        return AppendTable(catalog, f"raw.bench_{name}")

    old = table("old")
    all_of_old = [_cost(old, rows, number) for number in range(990)]
    costs: dict[str, list[tuple[float, float]]] = {"old": [], "young": []}
    for turn in range(10):
        young = table(f"young_{turn}")
        for number in range(5):
            _cost(young, rows, number)
        for number in range(5, 16):  # the tenth and its neighbours
            costs["young"].append(_cost(young, rows, number))
            costs["old"].append(_cost(old, rows, 990 + turn * 11 + number))
    return {
        "old_cpu_ms": round(statistics.median(cpu for cpu, _ in costs["old"]), 2),
        "young_cpu_ms": round(statistics.median(cpu for cpu, _ in costs["young"]), 2),
        "old_wall_ms": round(statistics.median(wall for _, wall in costs["old"]), 2),
        "young_wall_ms": round(statistics.median(wall for _, wall in costs["young"]), 2),
        "old_cpu_mean_ms": round(statistics.mean(cpu for cpu, _ in costs["old"]), 2),
        "young_cpu_mean_ms": round(statistics.mean(cpu for cpu, _ in costs["young"]), 2),
        "first_990_cpu_mean_ms": round(statistics.mean(cpu for cpu, _ in all_of_old), 2),
        "snapshots_kept": len(old.table.snapshots()),
        "pairs": len(costs["old"]),
    }


def _cost(table: AppendTable, rows: pa.Table, number: int) -> tuple[float, float]:
    """CPU and wall milliseconds of one commit."""
    cpu, wall = time.process_time(), time.perf_counter()
    table.append(rows, "bench", {"journal": number + 1})
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


# Parts


@cache
def _orders(count: int = 3_000) -> list[Order]:
    """Different orders of 4.8 to 7.2 KB with their headers and the digits of their id."""
    found: list[Order] = []
    number = 0
    while len(found) < count:
        request = order_request("orders/create", placed_order(1, number))
        number += 1
        if 4_800 <= len(request.body) <= 7_200:
            identity = str(msgspec.json.decode(request.body)["id"]).encode()
            found.append((request.body, dict(request.headers), identity))
    return found


def _journal(settings: Settings, pool: list[Order], first: int, count: int) -> None:
    """Append `count` orders, each with an id and a webhook id of its own."""
    deliveries = _deliveries(pool, first, count)
    with Journal.open(settings.journal_dir / "w0.db") as journal:
        while group := list(islice(deliveries, GROUP)):
            journal.append(group)


def _deliveries(pool: list[Order], first: int, count: int) -> Iterator[Delivery]:
    chance = random.Random(first)
    for number in range(first, first + count):
        body, headers, identity = chance.choice(pool)
        body = body.replace(identity, b"%d" % (820_000_000_000_000_000 + number))
        headers["x-shopify-webhook-id"] = f"hook-{number}"
        yield Delivery(
            "shopify", number.to_bytes(16, "big"), time.time_ns() // 1000, msgspec.json.encode(headers), body, None
        )


def _rows(settings: Settings, table: str) -> int:
    catalog = open_catalog(settings)
    count = catalog.load_table(table).scan().count()
    catalog.close()
    return count


def _in_own_process(part: str) -> dict[str, Any]:
    """Run one part in a fresh process and state folder; its result comes back as JSON."""
    home = Path(tempfile.mkdtemp(prefix="frazil-bench-"))
    try:
        words = [sys.executable, "-m", "benchmarks.sink", part, str(home)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
        found: dict[str, Any] = msgspec.json.decode(done.stdout)
        return found
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        parts = {"throughput": _throughput, "memory": _memory, "commits": _commits}
        sys.stdout.buffer.write(msgspec.json.encode(parts[sys.argv[1]](Settings(home=Path(sys.argv[2])))))
    else:
        main()
