"""What a dbt task of Airflow does before and after dbt: the lake's lease, changed models, the record, the artifacts."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException
from cosmos.operators._watcher import base as watcher_base
from cosmos.operators._watcher.state import is_producer_task_terminated

from ingestion.errors import PermanentError, RetryableError
from ingestion.settings import Settings
from orchestration.include.manifest import results_file

if TYPE_CHECKING:  # every task imports its DAG's file: dbt and pyiceberg only where they work
    from ingestion.build.watched import Due, WatchedBuild

log = logging.getLogger(__name__)

LEASE_SECONDS = 15 * 60.0
BEGINNINGS = frozenset({"NodeStart", "NodeCompiling", "NodeExecuting"})  # events of dbt-core 1.11
BUILT = "frazil_built"  # how many tables and tests the dbt command of a task ran
_held: list["WatchedBuild"] = []  # of this process; in the single run one process runs all tasks


def before_dbt(context: Any, operator: Any) -> None:
    """Before any dbt command: that of the one build of a run, or that of a table which is tried again.

    In the one build, unit tests try only code that was never built with success.
    """
    due = _begin(Settings())
    _report_ends_only()
    if hasattr(operator, "tests_per_model"):
        operator.exclude = " ".join(due.tried) or None


def before_watching(context: Any) -> None:
    """Before a table's task: where the one build never came to its first table, the task fails and says so.

    So it is when the build was killed. Otherwise each table would be built alone, each with a Spark of its own.
    """
    producer, instance = context["task"].producer_task_id, context["ti"]
    is_over = is_producer_task_terminated(context["task"]._get_producer_task_status(context))
    if is_over and not instance.xcom_pull(task_ids=producer, key=BUILT):
        raise AirflowFailException(f"nothing was built; see why in the log of {producer}; the next run does it")


def end_build(project_dir: str, context: Any) -> None:
    """After dbt, however it ended: keep its artifacts for the lineage, record the build, give the lease back."""
    results = Path(project_dir) / "target" / "run_results.json"
    kept = results_file(Settings(), context["run_id"], context["task"].task_id)
    kept.parent.mkdir(parents=True, exist_ok=True)
    if results.exists():
        shutil.copyfile(results, kept)
    from ingestion.build.watched import read_results

    found = read_results(results)
    context["ti"].xcom_push(key=BUILT, value=len(found))
    while _held:
        _held.pop().end(found, context["run_id"])


def _report_ends_only() -> None:
    """Of the events of a node, which dbt waits for Airflow to store, the tables' tasks read the last one alone."""
    watcher_base._DBT_EVENT_ALLOWLIST -= BEGINNINGS


def _begin(settings: Settings) -> "Due":
    while _held:
        _held.pop().give_up()
    from ingestion.build.watched import WatchedBuild

    build = WatchedBuild(settings)
    try:
        due = build.begin(LEASE_SECONDS)
    except (RetryableError, PermanentError):
        build.give_up()
        raise
    if due.rebuilt:
        log.info("rebuilt from all their input, because their code changed: %s", ", ".join(due.rebuilt))
    _held.append(build)
    return due
