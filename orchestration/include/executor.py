"""Airflow's own local executor, with what every task needs loaded before its workers are forked.

Each task is a process forked from a worker. What the worker has loaded it need not load again: reading the pipeline's
DAG costs it next to nothing then instead of 0.7 s of CPU. A worker looks before each fork whether the DAG is in step.
Changed code below orchestration/include is seen after a restart.
"""

import importlib
import os

from airflow.executors.local_executor import LocalExecutor

from ingestion.settings import PROJECT_ROOT
from orchestration.include.kept import is_kept

LOADED = (
    "cosmos.airflow.task_group",
    "cosmos.operators.watcher",
    "cosmos.plugin.airflow3",
    "orchestration.include.alerts",
    "orchestration.include.assets",
    "orchestration.include.databases",
    "orchestration.include.commands",
    "orchestration.include.defaults",
    "orchestration.include.lateness",
    "orchestration.include.transform",
)
PIPELINE = str(PROJECT_ROOT / "orchestration" / "dags" / "clgraph_iceberg_pipeline.py")


def preload() -> None:
    """Import what tasks import, and build the largest DAG; what cannot be read is told by the tasks that read it."""
    for name in LOADED:
        importlib.import_module(name)
    read_pipeline()


def read_pipeline() -> None:
    """Build the pipeline's DAG unless the one that is kept is in step."""
    from airflow.dag_processing.dagbag import DagBag

    if not is_kept(PIPELINE):
        DagBag(PIPELINE, safe_mode=False)


class PreloadedExecutor(LocalExecutor):
    """Forks its workers after `preload`, and they their tasks after `read_pipeline`."""

    def start(self) -> None:
        preload()
        os.register_at_fork(before=read_pipeline)
        super().start()
