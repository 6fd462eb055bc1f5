"""What Airflow adds to a dbt build: a pipeline run of a real scheduler against plain `dbt build` of the same project.

Runs in Airflow's own environment, wherever it is started from.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import report
from ingestion.lake.sink import drain
from ingestion.runtime.spark import export_environment
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from tests.support.spark import link_jars

if TYPE_CHECKING:
    from tests.orchestration.running import Server

ORDERS, CHANGED, ROUNDS = 2_000, 100, 2
SECONDS = 1800.0  # after that the runs of Airflow are given up: a busy machine would go on for hours
LOOK_SECONDS = 5  # a look costs Airflow 0.1 s of CPU: it reads the whole DAG for it
AIRFLOW_PYTHON = PROJECT_ROOT / ".venv-airflow" / "bin" / "python"
BAR = 0.7


def main() -> None:
    """Rounds of both with the same change; the first run, which makes the tables, is not counted."""
    if importlib.util.find_spec("airflow") is None:
        subprocess.run([AIRFLOW_PYTHON, "-m", "benchmarks", "airflow"], check=True, cwd=PROJECT_ROOT)
        return
    from tests.orchestration.running import Server

    with tempfile.TemporaryDirectory(prefix="frazil-bench-") as folder:
        settings = Settings(home=Path(folder).resolve())
        link_jars(settings.home_dir)
        os.environ["FRAZIL_HOME"] = str(settings.home_dir)
        receive(settings, ORDERS, 0)
        with Server(
            PROJECT_ROOT, settings, FRAZIL_AIRFLOW_POLL_SECONDS="10", FRAZIL_AIRFLOW_SCHEDULE="0 0 31 12 *"
        ) as airflow:
            deadline = time.monotonic() + SECONDS
            airflow.finished_run(0, seconds=SECONDS, every=LOOK_SECONDS)
            pause_the_others(airflow)
            runs = []
            for number in range(1, ROUNDS + 1):
                receive(settings, CHANGED, number)
                left = deadline - time.monotonic()
                runs.append(airflow.finished_run(number, seconds=left, every=LOOK_SECONDS))
            tasks = len(airflow.tasks(runs[-1]))
        if any(one["state"] != "success" for one in runs):
            raise RuntimeError(f"a run failed: {airflow.last_words()}")
        seconds = [_seconds(one) for one in runs]
        builds = [build(settings, ROUNDS + number) for number in range(1, ROUNDS + 1)]
    run, plain = statistics.median(seconds), statistics.median(builds)
    inputs = {"run_seconds": seconds, "dbt_build_seconds": builds, "tasks": tasks, "orders": ORDERS, "changed": CHANGED}
    added = (run - plain) / tasks
    report("airflow_overhead", added, "s per task", f"<= {BAR}", added <= BAR, inputs)
    report("airflow_overhead_ratio", run / plain, "of dbt build", "<= 2", run / plain <= 2, inputs)


def receive(settings: Settings, count: int, version: int) -> None:
    """Orders in the journal, where the pipeline finds them."""
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    with Journal.open(settings.journal_dir / "worker-0.db") as journal:
        journal.append(list(plain_orders(0, count, version=version, orders=ORDERS)))


def pause_the_others(airflow: "Server") -> None:
    """DAGs that would start by the clock in the midst of what is measured, with a Spark of their own."""
    from tests.orchestration.running import PIPELINE

    for dag in airflow.ask("GET", "dags")["dags"]:
        if dag["dag_id"] != PIPELINE:
            airflow.ask("PATCH", f"dags/{dag['dag_id']}", {"is_paused": True})


def build(settings: Settings, version: int) -> float:
    """Wall seconds of one `dbt build` with as much change, in a process of its own; the sink's time is not counted."""
    receive(settings, CHANGED, version)
    drain(settings)
    export_environment(settings)
    target = str(settings.home_dir / "dbt" / "plain")
    words = ["build", "--quiet", "--exclude-resource-type", "unit_test", "--target-path", target, "--log-path", target]
    started = time.perf_counter()
    subprocess.run([Path(sys.executable).parent / "dbt", *words], check=True, cwd=PROJECT_ROOT)
    return round(time.perf_counter() - started, 2)


def _seconds(run: dict[str, str]) -> float:
    """From the first task's start to the last one's end."""
    return (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds()


if __name__ == "__main__":
    main()
