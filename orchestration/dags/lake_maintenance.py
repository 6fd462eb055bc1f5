"""Small files together, old snapshots and lost files away, by the policy of each folder.

See docs/operate/maintenance.md. Takes the lake's lease: beside a build it waits, by being tried again.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from orchestration.include.commands import frazil
from orchestration.include.defaults import task_defaults


@task
def plan() -> Any:
    """What is due, table by table."""
    return [row for row in frazil("maintain", "plan") if row["is_due"]]


@task(execution_timeout=timedelta(hours=6))
def run() -> Any:
    """Do it."""
    return frazil("maintain", "run")


with DAG(
    dag_id="lake_maintenance",
    description="Compaction, snapshot expiry, manifests and orphans",
    doc_md=__doc__,
    schedule="30 2 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retries=6),
    tags=["lake"],
):
    plan() >> run()
