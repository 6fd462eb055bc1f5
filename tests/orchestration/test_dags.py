"""The DAGs as Airflow reads them: every file imports, and the graph is the project's."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.settings import Settings
from orchestration.include.alerts import alerts_file
from orchestration.include.manifest import load_manifest

PIPELINE = "clgraph_iceberg_pipeline"


@pytest.fixture(scope="module")
def dags(dags_folder: Path) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    from orchestration.include.database import prepare

    prepare()
    bag = DagBag(str(dags_folder))
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="module")
def pipeline(dags: dict[str, Any]) -> Any:
    return dags[PIPELINE]


def above(dag: Any, task_id: str) -> set[str]:
    return set(dag.get_task(task_id).get_flat_relative_ids(upstream=True))


def test_each_file_holds_one_dag_of_its_own_name(dags: dict[str, Any], dags_folder: Path) -> None:
    assert set(dags) == {path.stem for path in dags_folder.glob("*.py")}


def test_no_file_is_named_so_that_dbt_takes_it_for_a_plugin(dags_folder: Path) -> None:
    assert [path.name for path in dags_folder.glob("dbt_*.py")] == []


def test_every_dag_has_one_run_at_a_time_retries_and_an_alert(dags: dict[str, Any]) -> None:
    from orchestration.include.alerts import task_failed

    for dag in dags.values():
        assert dag.max_active_runs == 1, dag.dag_id
        assert dag.catchup is False, dag.dag_id
        for task in dag.tasks:
            if not task.task_id.endswith(("dbt_producer_watcher", "dbt_producer_watcher_done")):
                assert task.retries >= 1, task.task_id
                pauses = (task.retry_delay, task.retry_exponential_backoff, task.max_retry_delay)
                assert pauses == (timedelta(seconds=10), 2.0, timedelta(minutes=5)), task.task_id
                assert task_failed in _callbacks(task), task.task_id


def test_every_table_and_its_tests_are_tasks(pipeline: Any, airflow_home: Settings) -> None:
    nodes = load_manifest(airflow_home)["nodes"].values()
    tables = {
        one["name"]: one["resource_type"] for one in nodes if one["resource_type"] in ("model", "snapshot", "seed")
    }

    shown = {
        task.task_id.split(".")[-2] for task in pipeline.tasks if task.task_id.endswith((".run", ".snapshot", ".seed"))
    }

    assert shown == set(tables)


def test_layers_follow_one_another_to_the_end(pipeline: Any) -> None:
    ids = {task.task_id.split(".")[-2]: task.task_id for task in pipeline.tasks if task.task_id.endswith(".run")}

    before = above(pipeline, ids["sales_dashboard_daily"])

    assert ids["order_summary"] in before
    assert ids["stg_shopify_orders"] in before
    assert above(pipeline, ids["stg_shopify_orders"]) >= {"read_project", "ingestion.drain_journals"}
    assert {ids["customer_360"], "publish_marts"} <= above(pipeline, "end")


def test_the_edges_are_those_of_dbt(pipeline: Any, airflow_home: Settings) -> None:
    nodes = load_manifest(airflow_home)["nodes"]
    ids = {task.task_id.split(".")[-2]: task.task_id for task in pipeline.tasks if task.task_id.endswith(".run")}
    for node in nodes.values():
        if node["resource_type"] == "model":
            parents = {nodes[one]["name"] for one in node["depends_on"]["nodes"] if one.startswith("model.")}
            assert {ids[name] for name in parents} <= above(pipeline, ids[node["name"]]), node["name"]


def test_each_test_decides_about_one_table_and_every_tested_table_has_its_own(pipeline: Any) -> None:
    owned = pipeline.get_task("transform.dbt_producer_watcher").tests_per_model
    tested = {task.model_unique_id for task in pipeline.tasks if task.task_id.endswith(".test")}

    tests = [test for found in owned.values() for test in found]
    assert len(tests) == len(set(tests))
    assert tested == set(owned)
    assert any("assert_sales_dashboard" in one for one in owned["model.frazil.sales_dashboard_daily"])
    assert not any("relationships" in one for one in owned["seed.frazil.currencies"])


def test_new_data_or_the_clock_starts_the_pipeline(pipeline: Any) -> None:
    assets = list(pipeline.timetable.asset_condition.objects)

    assert [asset.name for asset in assets] == ["raw"]
    assert [watcher.name for watcher in assets[0].watchers] == ["new_data"]
    assert pipeline.timetable.timetable.expression == "0 * * * *"


def test_only_the_dbt_group_shares_a_pool(pipeline: Any) -> None:
    pooled = {task.task_id for task in pipeline.tasks if task.pool == "dbt"}

    assert pooled
    assert all(task_id.startswith("transform.") for task_id in pooled)
    assert "transform.dbt_producer_watcher" not in pooled


def test_of_a_nodes_events_dbt_waits_for_the_last_alone() -> None:
    name = "orchestration.include.build_hooks"
    program = f"""
from cosmos.operators._watcher import base
before = base._DBT_EVENT_ALLOWLIST
import {name} as hooks
hooks._report_ends_only()
print(sorted(before - base._DBT_EVENT_ALLOWLIST), "NodeFinished" in base._DBT_EVENT_ALLOWLIST)
"""

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert told.splitlines()[-1] == "['NodeCompiling', 'NodeExecuting', 'NodeStart'] True"


def test_a_backfill_chooses_its_models_before_the_pipeline_runs(dags: dict[str, Any]) -> None:
    backfill = dags["lake_backfill"]

    assert above(backfill, "run_pipeline") == {"load_again", "choose"}
    assert backfill.get_task("run_pipeline").trigger_dag_id in dags
    assert set(backfill.params) == {"first_day", "last_day", "source", "reload"}


def test_a_backfill_that_is_to_reload_no_named_source_fails_and_says_so(
    dags: dict[str, Any], dags_folder: Path, airflow_home: Settings
) -> None:
    program = """
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags["lake_backfill"]
done = dag.test(run_conf={"reload": True, "source": None})
print(json.dumps({one.task_id: one.state for one in done.get_task_instances()}))
"""

    subprocess.run([sys.executable, "-m", "orchestration.include.database"], check=True)
    told = subprocess.run(
        [sys.executable, "-c", f"import json, sys{program}", str(dags_folder / "lake_backfill.py")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    states = json.loads(told.stdout.splitlines()[-1])
    alerts = alerts_file(airflow_home).read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in alerts if "load_again" in line]
    assert states == {"load_again": "failed", "choose": "upstream_failed", "run_pipeline": "upstream_failed"}
    assert json.loads(line)["cause"] == "`reload` loads one database: name it in `source`"


def _callbacks(task: Any) -> list[Any]:
    found = task.on_failure_callback
    return list(found) if isinstance(found, list | tuple) else [found]


def test_reading_the_pipeline_loads_neither_dbt_nor_the_lake(dags_folder: Path) -> None:
    """Each task's process reads the DAG's file; with dbt and pyiceberg that took five seconds of CPU more."""
    code = f"import runpy, sys; runpy.run_path({str(dags_folder / (PIPELINE + '.py'))!r}); print(*sys.modules)"

    loaded = set(
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    )

    assert "cosmos" in loaded
    assert loaded.isdisjoint({"dbt.cli.main", "pyspark", "pyiceberg.catalog", "sqlglot"})


def test_a_database_with_a_lag_gate_is_waited_for(dags_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(
        "sources:\n  shop:\n    lag_gate: 600\n  other:\n    schedule: 0 3 * * *\n", encoding="utf-8"
    )
    code = (
        f"import runpy; dag = runpy.run_path({str(dags_folder / (PIPELINE + '.py'))!r})['dag']; "
        "print(*sorted(task.task_id for task in dag.tasks if task.task_id.startswith('ingestion.'))); "
        "print(*dag.get_task('ingestion.changes_shop').upstream_task_ids); "
        "build = dag.get_task('transform.dbt_producer_watcher'); "
        "print('ingestion.changes_shop' in build.get_flat_relative_ids(upstream=True))"
    )
    environment = {**os.environ, "FRAZIL_CONFIG_DIR": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True, text=True)

    assert done.stdout.splitlines()[-3:] == [
        "ingestion.changes_shop ingestion.connector_shop ingestion.drain_journals ingestion.load_other",
        "ingestion.connector_shop",
        "True",
    ]


def test_a_task_forked_from_a_worker_loads_nothing_of_weight_for_its_dag(dags_folder: Path) -> None:
    code = (
        "import runpy, sys; from orchestration.include.executor import preload; preload(); before = set(sys.modules); "
        f"runpy.run_path({str(dags_folder / (PIPELINE + '.py'))!r}); print(*set(sys.modules) - before)"
    )

    output = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout.decode()
    loaded = output.splitlines()[-1].split()  # logs stand above

    packages = {name.split(".")[0] for name in loaded}
    assert packages.isdisjoint({"cosmos", "orchestration", "ingestion", "fastapi"}), sorted(loaded)


def test_airflow_finds_the_executor_by_its_name() -> None:
    from airflow.executors.executor_loader import ExecutorLoader

    from orchestration.include.executor import PreloadedExecutor

    assert isinstance(ExecutorLoader.get_default_executor(), PreloadedExecutor)
