"""Bulk loads of a real PostgreSQL against its own COPY and against plain Spark JDBC, in one run on one table.

The loads that are held to a bar take no row hashes of the source (`--no-proof`), which their peers do not either;
`bulk_proof_cost` tells what they add.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from benchmarks.report import report
from benchmarks.support.lineitem import TPCHGEN, fill, table_name
from ingestion.bulk.marks import marks_of
from ingestion.lake.catalog import open_catalog
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.stack import Facts
from tests.support.databases import running
from tests.support.spark import link_jars

ROWS = int(os.environ.get("FRAZIL_BENCH_BULK_ROWS", "2000000"))
RUNS, PAIRS = 3, 5
# Tables of so many halves of ROWS: how the cost grows. All of it takes 4 GB of disk and some minutes.
STEPS = [int(step) * ROWS // 2 for step in os.environ.get("FRAZIL_BENCH_BULK_STEPS", "1,2,4,8").split(",")]
# A part has a server and tables of its own when it is measured alone.
PARTS = os.environ.get("FRAZIL_BENCH_BULK_PARTS", "copy,proof,linear,resume,jdbc").split(",")
_THROUGHPUT = {"FRAZIL_SPARK_JAVA_OPTIONS": "-XX:+UseParallelGC -XX:ReservedCodeCacheSize=512m"}

_DRAIN = """
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    with connection.cursor().copy(f"copy {sys.argv[2]} to stdout (format binary)") as copy:
        while copy.read():
            pass
"""
_PLAIN_SPARK = """
import sys
from ingestion.runtime.spark import spark_session
from ingestion.settings import Settings
url, user, password, table, rows = sys.argv[1:]
spark = spark_session(Settings())
step = int(rows) // 4
bounds = [f"line_id > {step * part} and line_id <= {step * (part + 1)}" for part in range(4)]
properties = {"user": user, "password": password, "driver": "org.postgresql.Driver", "fetchsize": "50000"}
frame = spark.read.jdbc(url, table, predicates=bounds, properties=properties)
frame.writeTo("raw.plain").using("iceberg").create()
"""


@dataclass(frozen=True)
class Ran:
    """One process: seconds of wall and CPU, MiB at its peak, and what it printed."""

    wall: float
    cpu: float
    peak: float
    output: str


def main() -> None:
    with running("postgres") as server, bench_folder() as folder:
        facts = server.facts()
        bench = Bench(facts, folder)
        fill(bench.dsn(), sorted({*(STEPS if "linear" in PARTS else []), ROWS}), folder)
        for part in PARTS:
            {
                "copy": bench.copy,
                "proof": bench.proof,
                "linear": bench.linear,
                "resume": bench.resume,
                "jdbc": bench.jdbc,
            }[part]()


class Bench:
    """The database, and a lake that is made anew for each load."""

    def __init__(self, facts: Facts, folder: Path) -> None:
        self._facts, self._folder = facts, folder
        config = folder / "config"
        config.mkdir()
        block = {
            "dialect": "postgres",
            "host": facts.host,
            "port": facts.port,
            "database": "postgres",
            "user": facts.user,
            "password": "${BENCH_PASSWORD}",
        }
        (config / "sources.yaml").write_text(yaml.safe_dump({"sources": {"bench": block}}), encoding="utf-8")

    def copy(self) -> None:
        """The whole process, its work alone, its CPU and memory, against COPY of the same table before and after.

        CPU is that of the cheapest run: what else a machine does only ever adds to it.
        """
        limits, loads, works = [self._drain()], [], []
        for _ in range(RUNS):
            loads.append(self.load(ROWS))
            works.append(_seconds(loads[-1]))
            limits.append(self._drain())
        limit = statistics.median(found.wall for found in limits)
        wall = statistics.median(found.wall for found in loads)
        cpu, peak = min(found.cpu for found in loads), max(found.peak for found in loads)
        inputs = {
            "rows": ROWS,
            "table": TPCHGEN,
            "copy_binary_seconds": [round(found.wall, 2) for found in limits],
            "load_seconds": [round(found.wall, 2) for found in loads],
            "work_seconds": [round(found, 2) for found in works],
            "load_cpu_seconds": [round(found.cpu, 2) for found in loads],
            "load_peak_mib": [round(found.peak) for found in loads],
            "load_before": round(os.getloadavg()[0], 2),
            "cores": os.cpu_count(),
        }
        work = statistics.median(works)
        report("bulk_copy_whole", wall / limit, "x COPY", "<= 2.4", wall / limit <= 2.4, inputs)
        report("bulk_copy_work", work / limit, "x COPY", "<= 1.6", work / limit <= 1.6, inputs)
        report("bulk_copy_cpu", cpu * 2e6 / ROWS, "CPU s/2M", "<= 6", cpu * 2e6 / ROWS <= 6, inputs)
        report("bulk_copy_memory", peak, "MiB", "<= 700", peak <= 700, inputs)

    def proof(self) -> None:
        """What the source's row hashes add to a load on a machine where the server has no core of its own: no bar."""
        pairs = [(self.load(ROWS), self.load(ROWS, is_proven=True)) for _ in range(RUNS)]
        plain, proven = (statistics.median(pair[side].wall for pair in pairs) for side in (0, 1))
        inputs = {
            "rows": ROWS,
            "table": TPCHGEN,
            "without_seconds": [round(pair[0].wall, 2) for pair in pairs],
            "with_seconds": [round(pair[1].wall, 2) for pair in pairs],
            "without_cpu_seconds": [round(pair[0].cpu, 2) for pair in pairs],
            "with_cpu_seconds": [round(pair[1].cpu, 2) for pair in pairs],
        }
        report("bulk_proof_cost", proven / plain, "x unproven", "none, for information", True, inputs)

    def linear(self) -> None:
        """CPU per row of growing tables, less what the start costs: the most that a larger one costs over a smaller.

        Each size has its turn in each round, so that no hour of the machine is one size's alone; the cheapest counts.
        """
        start = self._start()
        rounds = [[self.load(rows) for rows in STEPS] for _ in range(RUNS)]
        found = list(zip(STEPS, zip(*rounds, strict=True), strict=True))
        costs = [(min(one.cpu for one in loads) - start) / rows * 1e6 for rows, loads in found]
        peaks = [round(max(one.peak for one in loads)) for _, loads in found]
        ratio = max(later / earlier for earlier, later in combinations(costs, 2))
        inputs = {
            "rows": STEPS,
            "cpu_us_per_row": [round(cost, 3) for cost in costs],
            "peak_mib": peaks,
            "start_cpu": round(start, 2),
        }
        report("bulk_copy_linear", ratio, "x a smaller", "<= 1.1", ratio <= 1.1, inputs)

    def resume(self) -> None:
        """CPU of a load killed when half is committed and of the one that goes on, less the second start."""
        start = self._start()
        clean = self.load(ROWS, chunk_mib=16)
        home = self._home()
        words = self._words(ROWS)
        child = subprocess.Popen(words, env=self._env(home, 16), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        chunks = self._wait_for_half(home)
        child.send_signal(signal.SIGKILL)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = -9
        rest = self.ran(words, self._env(home, 16))
        total = usage.ru_utime + usage.ru_stime + rest.cpu - start
        inputs = {
            "clean_cpu": round(clean.cpu, 2),
            "killed_cpu": round(usage.ru_utime + usage.ru_stime, 2),
            "rest_cpu": round(rest.cpu, 2),
            "start_cpu": round(start, 2),
            "chunks_done_and_all": chunks,
        }
        report("bulk_resume", total / clean.cpu, "x clean", "<= 1.1", total / clean.cpu <= 1.1, inputs)

    def jdbc(self) -> None:
        """Whole processes, five pairs in turns, under the same Java options; neither side proves anything.

        What the source's row hashes add to ours is measured once more beside it.
        """
        words = ("--engine", "jdbc", "--parallel-tables", "4")
        ours, plain, limits = [], [], []
        for _ in range(PAIRS):
            plain.append(self._plain())
            ours.append(self.load(ROWS, *words, chunk_mib=100))
            limits.append(self._drain())
        proven = self.load(ROWS, *words, is_proven=True, chunk_mib=100)
        ratio = statistics.median(one.wall / other.wall for one, other in zip(ours, plain, strict=True))
        limit = statistics.median(found.wall for found in limits)
        inputs = {
            "rows": ROWS,
            "table": TPCHGEN,
            "ours_seconds": [round(found.wall, 1) for found in ours],
            "plain_seconds": [round(found.wall, 1) for found in plain],
            "copy_binary_seconds": [round(found.wall, 2) for found in limits],
            "ours_with_proof_seconds": round(proven.wall, 1),
            "java_options": "the same on both sides",
        }
        report("bulk_jdbc", ratio, "x plain", "<= 1.15", ratio <= 1.15, inputs)
        to_copy = statistics.median(found.wall for found in ours) / limit
        report("bulk_jdbc_to_copy", to_copy, "x COPY", "<= 7.5", to_copy <= 7.5, inputs)

    def _wait_for_half(self, home: Path) -> list[int]:
        catalog = open_catalog(Settings(home=home))
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if catalog.table_exists(f"raw.bench_{table_name(ROWS)}"):
                for mark in marks_of(catalog.load_table(f"raw.bench_{table_name(ROWS)}")).values():
                    if len(mark.done) * 2 >= len(mark.chunks):
                        return [len(mark.done), len(mark.chunks)]
        raise SystemExit("half of the table was never committed")

    def load(self, rows: int, *words: str, is_proven: bool = False, chunk_mib: int = 128) -> Ran:
        home = self._home()
        ran = self.ran([*self._words(rows, is_proven=is_proven), *words], self._env(home, chunk_mib))
        catalog = open_catalog(Settings(home=home))
        count = catalog.load_table(f"raw.bench_{table_name(rows)}").scan().count()
        catalog.close()
        if count != rows:
            raise SystemExit(f"{count} rows in raw instead of {rows}")
        return ran

    def _words(self, rows: int, *, is_proven: bool = False) -> list[str]:
        frazil = str(Path(sys.executable).with_name("frazil"))
        proof = [] if is_proven else ["--no-proof"]
        return [frazil, "bulk", "load", "bench", "--tables", table_name(rows), "--json", *proof]

    def _start(self) -> float:
        """CPU seconds of a command that finds the table and loads nothing."""
        found = [self.ran([*self._words(ROWS), "--dry-run"], self._env(self._home(), 128)) for _ in range(3)]
        return min(one.cpu for one in found)

    def _drain(self) -> Ran:
        return self.ran([sys.executable, "-c", _DRAIN, self.dsn(), table_name(ROWS)], dict(os.environ))

    def _plain(self) -> Ran:
        facts = self._facts
        url = f"jdbc:postgresql://{facts.host}:{facts.port}/postgres"
        words = [sys.executable, "-c", _PLAIN_SPARK, url, facts.user, facts.password, table_name(ROWS), str(ROWS)]
        home = self._home()
        open_catalog(Settings(home=home)).close()
        return self.ran(words, self._env(home, 128) | _THROUGHPUT)

    def ran(self, words: list[str], env: dict[str, str]) -> Ran:
        started = time.perf_counter()
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=said, text=True, cwd=PROJECT_ROOT) as child,
        ):
            assert child.stdout is not None
            output = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            wall = time.perf_counter() - started
            if child.returncode:
                said.seek(0)
                words_of_it = said.read().decode(errors="replace")[-2_000:]
                raise SystemExit(f"{' '.join(words[:4])} ended with {child.returncode}: {words_of_it}")
        return Ran(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)

    def _home(self) -> Path:
        """A new state folder; the last one is removed."""
        home = self._folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        link_jars(home)
        return home

    def _env(self, home: Path, chunk_mib: int) -> dict[str, str]:
        path = self._folder / "config" / "sources.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["sources"]["bench"]["chunk_bytes"] = chunk_mib << 20
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return {
            **os.environ,
            "FRAZIL_HOME": str(home),
            "FRAZIL_CONFIG_DIR": str(path.parent),
            "BENCH_PASSWORD": self._facts.password,
        }

    def dsn(self) -> str:
        facts = self._facts
        return f"postgresql://{facts.user}:{facts.password}@{facts.host}:{facts.port}/postgres"


def _seconds(ran: Ran) -> float:
    """Of the table's own load, as the command reports it."""
    document: Any = json.loads(ran.output)
    (table,) = document["tables"]
    return float(table["seconds"])


@contextmanager
def bench_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="frazil-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
