"""Our `copy` engine against dlt's two fast backends on one table of a real PostgreSQL, in one run, in turns.

dlt is no dependency of ours: uv installs it, from the index that uv is set up for, into a throw-away environment.
"""

import os
import shutil
import statistics
from pathlib import Path

from benchmarks.bulk import ROWS, Bench, Ran, bench_folder
from benchmarks.report import report
from benchmarks.support.lineitem import fill, table_name
from benchmarks.support.peers import environment
from tests.support.databases import running

RUNS = 2
_BACKENDS = {"connectorx": 2.0, "pyarrow": 3.5}
_PACKAGES = ("dlt[filesystem,pyiceberg,sql_database]==1.31.0", "sqlalchemy<2.1", "connectorx", "psycopg2-binary")
_DLT = """
import sys, dlt
from dlt.sources.sql_database import sql_table
url, table, backend, folder = sys.argv[1:]
rows = sql_table(credentials=url, table=table, schema="public", backend=backend, chunk_size=100000)
lake = dlt.destinations.filesystem(bucket_url=f"file://{folder}/lake")
pipeline = dlt.pipeline("bench", destination=lake, dataset_name="raw", pipelines_dir=f"{folder}/state")
pipeline.run(rows, table_format="iceberg", write_disposition="append").raise_on_failed_jobs()
print(pipeline.last_trace.last_normalize_info.row_counts[table])
"""


def main() -> None:
    with running("postgres") as server, bench_folder() as folder:
        python = environment(folder / "dlt", *_PACKAGES)
        bench = Bench(server.facts(), folder)
        fill(bench.dsn(), [ROWS], folder)
        ours: list[Ran] = []
        theirs: dict[str, list[Ran]] = {backend: [] for backend in _BACKENDS}
        for _ in range(RUNS):
            ours.append(bench.load(ROWS))
            for backend, runs in theirs.items():
                runs.append(_dlt(bench, python, backend, folder / "dlt-state"))
        for backend, bar in _BACKENDS.items():
            _report(backend, bar, ours, theirs[backend])


def _dlt(bench: Bench, python: Path, backend: str, state: Path) -> Ran:
    shutil.rmtree(state, ignore_errors=True)
    words = [str(python), "-c", _DLT, bench.dsn(), table_name(ROWS), backend, str(state)]
    ran = bench.ran(words, {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"})
    if int(ran.output.split()[-1]) != ROWS:
        raise SystemExit(f"dlt brought {ran.output.split()[-1]} rows instead of {ROWS}")
    return ran


def _report(backend: str, bar: float, ours: list[Ran], theirs: list[Ran]) -> None:
    ratio = statistics.median(one.wall for one in theirs) / statistics.median(one.wall for one in ours)
    memory = max(one.peak for one in ours) / min(one.peak for one in theirs)
    inputs = {
        "rows": ROWS,
        "ours_seconds": [round(one.wall, 2) for one in ours],
        "dlt_seconds": [round(one.wall, 2) for one in theirs],
        "ours_cpu_seconds": [round(one.cpu, 2) for one in ours],
        "dlt_cpu_seconds": [round(one.cpu, 2) for one in theirs],
        "ours_peak_mib": [round(one.peak) for one in ours],
        "dlt_peak_mib": [round(one.peak) for one in theirs],
        "dlt": _PACKAGES[0],
    }
    report(f"bulk_dlt_{backend}", ratio, "x faster", f">= {bar}", ratio >= bar, inputs)
    report(f"bulk_dlt_{backend}_memory", memory, "x dlt", "< 1", memory < 1, inputs)


if __name__ == "__main__":
    main()
