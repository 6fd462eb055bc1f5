"""The documentation of every table with its lineage, written anew each night: docs/site/index.html."""

from airflow.sdk import DAG, task
from airflow.sdk.definitions.timetables.trigger import CronTriggerTimetable

from orchestration.include.commands import run_module
from orchestration.include.defaults import task_defaults


@task
def write_site() -> str:
    """docs/site/index.html, one file that needs no server."""
    return run_module("ingestion.build.docs")


with DAG(
    dag_id="docs_site",
    description="dbt's documentation and lineage as one static file",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 4 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(),
    tags=["lake"],
):
    write_site()
