"""Durable capture: ~6 KB signed Shopify orders, 64 connections, one worker, against the same server without storage.

Each round runs servers one after the other: as fast as answers come, without storage, then with the journal; and with
the journal at a quarter of its rate. What the disk itself takes is told by a probe that writes and syncs blocks of the
journal's size beside the server without storage, under the same load: once at full load, once at a quarter. A request
may have to wait for the commit under way and then for its own, hence twice the disk's time. At full load both also wait
for a core. At a quarter of it they wait mostly for the disk, and for whatever else the machine does meanwhile: a stall
of five milliseconds is met by one write of the probe, but by every request that is due while it lasts.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from benchmarks.report import report
from benchmarks.support.orders import order

CONNECTIONS = 64
ROUNDS = int(os.environ.get("FRAZIL_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("FRAZIL_BENCH_SECONDS", "4"))


@contextmanager
def server(kind: str, folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The server's port and process."""
    command = [sys.executable, "-m", "benchmarks.support.capture_server", kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def measure(kind: str, folder: Path, run: str, rate: float = 0.0) -> dict[str, float]:
    """One load; CPU is the server's own, user and system, while it is measured."""
    with server(kind, folder) as (port, process):
        words = [str(port), str(CONNECTIONS), str(SECONDS), run, str(rate)]
        command = [sys.executable, "-m", "benchmarks.support.load", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            assert load.stdout is not None
            load.stdout.readline()
            before, commits = process.cpu_times(), committed(port)
            load.stdout.readline()
            after, commits_after = process.cpu_times(), committed(port)
            result: dict[str, float] = json.loads(load.stdout.readline())
    cpu = (after.user + after.system) - (before.user + before.system)
    result["cpu_us"] = cpu / result["requests"] * 1e6
    result["group"] = result["requests"] / max(1.0, commits_after - commits)
    if result["bad"]:
        raise SystemExit(f"{kind}: {result['bad']:.0f} answers were not 200")
    return result


def committed(port: int) -> float:
    """Commits so far."""
    text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    return next(float(line.split()[-1]) for line in text.splitlines() if "commit_seconds_count" in line)


class SyncProbe(threading.Thread):
    """Milliseconds of write + fdatasync of `size` appended bytes, over and over until it is stopped."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__()
        self._path, self._block = folder / "probe", os.urandom(size)
        self._stop_asked = threading.Event()
        self._times: list[float] = []

    def run(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        while not self._stop_asked.wait(0.002):
            started = time.perf_counter()
            os.write(descriptor, self._block)
            os.fdatasync(descriptor)
            self._times.append((time.perf_counter() - started) * 1e3)
        os.close(descriptor)
        self._path.unlink()

    def stop(self) -> float:
        """The 99th percentile."""
        self._stop_asked.set()
        self.join()
        return sorted(self._times)[int(len(self._times) * 0.99)]


def probed(folder: Path, run: str, group: float, rate: float) -> float:
    """The 99th percentile of the disk's own milliseconds for groups of that many orders, under that load."""
    probe = SyncProbe(folder, round(group * (len(order(1)) + 600)))
    probe.start()
    try:
        measure("none", folder / "probed", run, rate)
    finally:
        p99 = probe.stop()
    return p99


def line(measured: dict[str, float]) -> str:
    """One server's round for people."""
    return "{per_second:.0f}/s, {cpu_us:.0f} us CPU, p50 {p50_ms:.1f} and p99 {p99_ms:.1f} ms".format(**measured)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("FRAZIL_BENCH_DIR")) as name:
        folder = Path(name)
        rounds: list[dict[str, Any]] = []
        for number in range(ROUNDS):
            none = measure("none", folder / "none", f"n{number}")
            journal = measure("journal", folder / f"journal-{number}", f"j{number}")
            rate = journal["per_second"] / 4
            paced = measure("journal", folder / f"paced-{number}", f"q{number}", rate)
            sync = probed(folder, f"s{number}", journal["group"], 0.0)
            paced_sync = probed(folder, f"p{number}", paced["group"], rate)
            rounds.append(
                {"none": none, "journal": journal, "sync_p99_ms": sync, "paced": paced, "paced_sync_p99_ms": paced_sync}
            )
            print(
                f"round {number + 1}: without storage {line(none)}; journal {line(journal)}, "
                f"fdatasync p99 {sync:.2f} ms; paced {line(paced)}, fdatasync p99 {paced_sync:.2f} ms"
            )
    inputs = {"connections": CONNECTIONS, "seconds": SECONDS, "body_bytes": len(order(1)), "rounds": rounds}
    ratio = statistics.median(r["journal"]["per_second"] / r["none"]["per_second"] for r in rounds)
    cpu = statistics.median(r["journal"]["cpu_us"] for r in rounds)
    p99 = statistics.median(r["journal"]["p99_ms"] for r in rounds)
    to_disk = statistics.median(r["journal"]["p99_ms"] / r["sync_p99_ms"] for r in rounds)
    paced_to_disk = statistics.median(r["paced"]["p99_ms"] / r["paced_sync_p99_ms"] for r in rounds)
    report("capture_throughput_ratio", ratio, "ratio", ">= 0.50 of no storage", ratio >= 0.5, inputs)
    report("capture_cpu_per_request", cpu, "us", "<= 85", cpu <= 85, inputs)
    report("capture_p99", p99, "ms", "<= 20 at full load", p99 <= 20, inputs)
    report("capture_p99_to_disk", to_disk, "ratio", "<= 2 x fdatasync's p99, at full load", to_disk <= 2, inputs)
    bar = "<= 2 x fdatasync's p99, paced"
    report("capture_paced_p99_to_disk", paced_to_disk, "ratio", bar, paced_to_disk <= 2, inputs)


if __name__ == "__main__":
    main()
