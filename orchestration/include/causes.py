"""Why a table's task failed, in the engine's own words, from what dbt wrote of the run."""

from typing import Any

from ingestion.build.dbt import NodeResult
from ingestion.build.watched import read_results
from ingestion.settings import Settings
from orchestration.include.manifest import load_manifest, results_file, tests_by_table


def dbt_cause(settings: Settings, task: Any, run_id: str) -> str | None:
    """The message of what failed; None for tasks that watch no table, and where dbt has left no word."""
    unique_id = getattr(task, "model_unique_id", None)
    if not unique_id:
        return None
    files = [results_file(settings, run_id, name) for name in (task.task_id, task.producer_task_id)]
    results = next((found for found in map(read_results, files) if found), [])
    tests = tests_by_table(load_manifest(settings)).get(unique_id, []) if task.is_test_sensor else []
    return first_failure(results, unique_id, tests)


def first_failure(results: list[NodeResult], unique_id: str, tests: list[str]) -> str | None:
    """Of the table's `tests`, if any are given; else of the table itself, or of its unit tests, which come first."""
    failed = {one.unique_id: one for one in results if not one.is_good and one.status != "skipped"}
    before = f"unit_test.{unique_id.split('.', 1)[1]}."
    wanted = tests or [unique_id, *sorted(name for name in failed if name.startswith(before))]
    found = next((failed[name] for name in wanted if name in failed), None)
    return f"{found.unique_id.split('.')[2]}: {found.message}" if found else None
