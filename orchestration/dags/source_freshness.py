"""Whether every source still delivers: a table older than its `freshness` in models/staging/*/_sources.yml is told, and
one that cannot be read."""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from ingestion.settings import Settings
from orchestration.include.alerts import sources_stale
from orchestration.include.defaults import task_defaults
from orchestration.include.freshness import read_freshness


@task
def freshness(**context: Any) -> dict[str, str]:
    """Table to `pass`, `warn` (an alert), `error` or `unreadable` (the task fails as well); empty ones are left out."""
    found = read_freshness(Settings())
    stale = {table: status for table, status in found.items() if status != "pass"}
    if stale:
        sources_stale(context["ti"], stale)
    wrong = sorted(f"{table} ({status})" for table, status in stale.items() if status != "warn")
    if wrong:
        raise AirflowFailException(f"stale or not to be read: {', '.join(wrong)}")
    return found


with DAG(
    dag_id="source_freshness",
    description="Alerts for sources that have gone quiet",
    doc_md=__doc__,
    schedule="15 * * * *",
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(),
    tags=["lake"],
):
    freshness()
