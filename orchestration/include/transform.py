"""The dbt project as one group of Airflow tasks: one dbt process builds, one task per table watches it."""

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import TaskGroup, TriggerRule
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior

from ingestion.settings import PROJECT_ROOT, Settings
from orchestration.include import build_hooks
from orchestration.include.environment import ONE_BY_ONE
from orchestration.include.manifest import load_manifest, manifest_file, tests_by_table

GROUP = "transform"
# Of the tables' tasks, and not of the build: it may never have to wait for those that wait for it.
POOL = "dbt"
DEFAULT_POOL = "default_pool"  # Airflow makes it
PRODUCER = "dbt_producer_watcher"
BUILD_TIMEOUT = timedelta(hours=4)


def transform_group(settings: Settings, **operator_args: Any) -> TaskGroup:
    """staging, semantic, analytics, marts, each table with its tests, as folders of one group.

    The build runs once however many tasks there are; a table's task that is tried again builds that table alone.
    """
    group: TaskGroup = DbtTaskGroup(
        group_id=GROUP,
        project_config=ProjectConfig(
            dbt_project_path=PROJECT_ROOT,
            manifest_path=manifest_file(settings),
            project_name="frazil",
            install_dbt_deps=False,
        ),
        profile_config=ProfileConfig(
            profile_name="frazil",
            target_name=os.environ.get("FRAZIL_DBT_TARGET", "embedded"),
            profiles_yml_filepath=PROJECT_ROOT / "profiles" / "profiles.yml",
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.AFTER_EACH,
            group_nodes_by_folder=True,
            emit_datasets=False,
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            invocation_mode=InvocationMode.DBT_RUNNER,
            setup_operator_args={
                "retries": 0,
                "pre_execute": None,
                "pool": DEFAULT_POOL,
            },
        ),
        operator_args={
            "emit_datasets": False,
            "pool": POOL,
            "poke_interval": 5,
            "execution_timeout": BUILD_TIMEOUT,
            "pre_execute": build_hooks.before_watching,
            "interceptors": [build_hooks.before_dbt],
            "callback": build_hooks.end_build,
            **operator_args,
        },
    )
    tasks: dict[str, Any] = {task.task_id.removeprefix(f"{GROUP}."): task for task in group.iter_tasks()}
    tasks[PRODUCER].tests_per_model = tests_by_table(load_manifest(settings))
    if os.environ.get(ONE_BY_ONE):
        _build_first(tasks)
    return group


def _build_first(tasks: dict[str, Any]) -> None:
    """Put the build before everything that watches it, whether it succeeds or not."""
    producer = tasks[PRODUCER]
    for task in tasks.values():
        if task is not producer and not task.upstream_task_ids:
            producer >> task
            task.trigger_rule = TriggerRule.ALL_DONE
