"""Proof that raw holds what the databases held: count and row hash of every chunk, for each source with a schedule."""

from typing import Any

from airflow.sdk import DAG, task

from ingestion.settings import Settings
from orchestration.include.commands import frazil
from orchestration.include.databases import scheduled_sources
from orchestration.include.defaults import task_defaults


@task
def sources() -> list[str]:
    """Databases that Airflow loads."""
    return list(scheduled_sources(Settings()))


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
