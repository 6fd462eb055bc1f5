"""Build anew what rests on the rows that came into raw on some days: a run by hand, with the days as its parameters.

With `reload`, the databases among the sources are loaded again first: what a connector missed is then in raw. See
docs/operate/runbooks.md.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from orchestration.include.commands import frazil
from orchestration.include.defaults import task_defaults

PIPELINE = "clgraph_iceberg_pipeline"


@task(execution_timeout=timedelta(hours=12))
def load_again() -> Any:
    """The source's tables, whole, as they are now; skipped unless it was asked for."""
    given = get_current_context()["params"]
    if not given["reload"]:
        raise AirflowSkipException("the rows are in raw; `reload` loads a database again")
    if not given["source"]:
        raise AirflowFailException("`reload` loads one database: name it in `source`")
    again = get_current_context()["ti"].try_number > 1  # then it goes on where it was stopped
    return frazil("bulk", "load", given["source"], *([] if again else ["--no-resume"]))


@task(trigger_rule="none_failed")
def choose() -> Any:
    """The models that read rows of these days: the next run builds them anew."""
    given = get_current_context()["params"]
    only = ["--source", given["source"]] if given["source"] else []
    return frazil("maintain", "rebuild", "--from", given["first_day"], "--to", given["last_day"], *only)


with DAG(
    dag_id="lake_backfill",
    description="Build anew what rests on the rows of some days",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retries=6),
    params={
        "first_day": Param("2026-01-01", type="string", format="date", description="First day of loading (UTC)."),
        "last_day": Param("2026-01-07", type="string", format="date", description="Last day, included."),
        "source": Param(None, type=["null", "string"], description="Only this source; empty: all."),
        "reload": Param(False, type="boolean", description="Load the database `source` again first."),
    },
    tags=["lake"],
):
    build = TriggerDagRunOperator(
        task_id="run_pipeline",
        trigger_dag_id=PIPELINE,
        wait_for_completion=True,
        poke_interval=10,
        deferrable=True,
        **task_defaults(retries=1),
    )
    load_again() >> choose() >> build
