"""New data into raw, then every table above it: staging, semantic, analytics, marts.

Runs when new data has arrived and by the clock (FRAZIL_AIRFLOW_SCHEDULE), one run at a time. A failed table blocks what
reads it and nothing else; the next run goes on where this one ended. See docs/operate/airflow.md.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, AssetAlias, TaskGroup, TriggerRule, Variable, get_current_context, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.definitions.timetables.assets import AssetOrTimeSchedule
from airflow.sdk.definitions.timetables.trigger import CronTriggerTimetable
from airflow.sdk.exceptions import AirflowFailException

from ingestion.settings import Settings
from orchestration.include import alerts
from orchestration.include.assets import changed_marts, mart_asset, raw_asset
from orchestration.include.commands import frazil
from orchestration.include.databases import gated_sources, is_due, scheduled_sources
from orchestration.include.defaults import task_defaults
from orchestration.include.environment import ONE_BY_ONE
from orchestration.include.kept import kept
from orchestration.include.lateness import RunMade
from orchestration.include.manifest import is_stale, models_in, write_manifest
from orchestration.include.transform import transform_group

DAG_ID = "clgraph_iceberg_pipeline"
PUBLISHED = "frazil_published_marts"
SETTINGS = Settings()


@task
def read_project() -> None:
    """See that the graph shown is the project's: a changed project is parsed anew, and shown from the next run on."""
    if is_stale(SETTINGS) and write_manifest(SETTINGS):
        raise AirflowFailException("the dbt project has other tables or tests now: the graph is renewed, run again")


@task
def drain_journals() -> Any:
    """Bring the deliveries that wait in the journals into raw."""
    return frazil("sink", "run", "--once", "--wait", "600")  # where a sink that runs for good holds them


def load_in_bulk(source: str, schedule: str) -> Any:
    """A task that loads the database `source` when its schedule says so.

    Where it is not due it succeeds without a load: a skipped task would have Airflow skip all that comes after it.
    """

    @task(task_id=f"load_{source}", execution_timeout=timedelta(hours=12))
    def load() -> Any:
        name, now = f"frazil_bulk_{source}", datetime.now(UTC)
        last = Variable.get(name, default=None)
        if not is_due(schedule, datetime.fromisoformat(last) if last else None, now):
            return {"source": source, "is_due": False, "loaded_at": last}
        again = get_current_context()["ti"].try_number > 1  # then it goes on where it was stopped
        done = frazil("bulk", "load", source, *([] if again else ["--no-resume"]))
        Variable.set(name, now.isoformat())
        return done

    return load()


def follow(source: str, seconds: float) -> None:
    """Two tasks: the connector of `source` runs, and raw has what was on Kafka by now."""

    @task(task_id=f"connector_{source}")
    def connector() -> Any:
        return frazil("cdc", "restart", source, "--only-failed")  # those that run are left alone

    @task(task_id=f"changes_{source}", execution_timeout=timedelta(seconds=seconds + 300))
    def changes() -> Any:
        return frazil("cdc", "lag", source, "--wait", str(seconds))

    connector() >> changes()


@task(outlets=[AssetAlias("changed_marts")], trigger_rule=TriggerRule.ALL_DONE)
def publish_marts() -> list[str]:
    """Tell other DAGs of each mart that is good and has changed."""
    published = json.loads(Variable.get(PUBLISHED, default="{}"))
    outlet_events = get_current_context()["outlet_events"]
    changed = changed_marts(SETTINGS, models_in(SETTINGS, "marts"), published)
    for name, snapshot in changed.items():
        outlet_events[AssetAlias("changed_marts")].add(mart_asset(name), extra={"snapshot": str(snapshot)})
    Variable.set(PUBLISHED, json.dumps(published | changed))
    return sorted(changed)


@task
def end() -> None:
    """All is built, tested and published."""


def deadline() -> DeadlineAlert | None:
    """Who is told when a run is late; none in the single run, which has a limit of its own."""
    if os.environ.get(ONE_BY_ONE):
        return None
    minutes = SETTINGS.airflow_deadline_minutes
    return DeadlineAlert(
        reference=RunMade(),
        interval=timedelta(minutes=minutes),
        callback=AsyncCallback(alerts.run_late, kwargs={"minutes": minutes, "dag_id": DAG_ID}),
    )


def pipeline() -> DAG:
    """The whole graph, as the manifest and config/sources.yaml have it now."""
    with DAG(
        dag_id=DAG_ID,
        description="Webhooks and databases into raw, then staging, semantic, analytics and marts",
        doc_md=__doc__,
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(SETTINGS.airflow_schedule, timezone="UTC"),
            assets=[raw_asset(SETTINGS, DAG_ID)],
        ),
        catchup=False,
        max_active_runs=1,
        default_args=task_defaults(),
        deadline=deadline(),
        tags=["lake"],
    ) as dag:
        with TaskGroup("ingestion") as ingestion:
            drain_journals()
            for found, cron in scheduled_sources(SETTINGS).items():
                load_in_bulk(found, cron)
            for found, seconds in gated_sources(SETTINGS).items():
                follow(found, seconds)
        transform = transform_group(SETTINGS, retries=task_defaults(retries=1)["retries"])
        published_marts, last = publish_marts(), end()
        read_project() >> ingestion >> transform >> published_marts >> last
        transform >> last
    return dag


dag = kept(pipeline)
