"""Proof that raw holds what the databases hold: count and row hash of every chunk of what was loaded, and of each
followed table as it is now; for each source that the pipeline loads or waits for (`schedule`, `lag_gate`)."""

from typing import Any

from airflow.sdk import DAG, task

from ingestion.settings import Settings
from orchestration.include.commands import frazil
from orchestration.include.databases import proven_sources
from orchestration.include.defaults import task_defaults


@task
def sources() -> list[str]:
    """Databases that Airflow loads or waits for."""
    return proven_sources(Settings())


@task(map_index_template="{{ source }}")
def reconcile(source: str) -> Any:
    """Fails when a chunk differs; `frazil reconcile SOURCE` shows the keys."""
    return frazil("reconcile", source)


with DAG(
    dag_id="reconciliation",
    description="Raw against the databases it was loaded from",
    doc_md=__doc__,
    schedule="0 5 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(),
    tags=["lake"],
):
    reconcile.expand(source=sources())
