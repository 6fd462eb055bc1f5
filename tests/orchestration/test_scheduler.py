"""A real scheduler: what starts runs, what is told of late and failed ones, and who repairs what was ended."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from orchestration.include.alerts import alerts_file
from orchestration.include.environment import password_file
from tests.orchestration.running import PIPELINE, Server, wait_until, words_of
from tests.support.databases import TestPostgres
from tests.support.project import small_copy_of_the_project
from tests.support.spark import link_jars

BACKFILL = "lake_backfill"
NEW_DATA_ALONE = {"FRAZIL_AIRFLOW_POLL_SECONDS": "2", "FRAZIL_AIRFLOW_SCHEDULE": "0 0 31 12 *"}  # and not the clock
VIEW = """{{ config(materialized='view', unique_key='order_date') }}
select order_date, order_count from {{ ref('sales_dashboard_daily') }}"""
BROKEN = "with original as (\n{}\n)\nselect no_such_column from original\n"  # it reads the same tables
pytestmark = [pytest.mark.airflow, pytest.mark.spark, pytest.mark.stress, pytest.mark.timeout(1800)]


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Settings]:
    """A copy of the project, and a lake with 50 orders that wait in its journal."""
    project = small_copy_of_the_project(tmp_path / "project")
    settings = Settings(home=tmp_path / "home")
    link_jars(settings.home_dir)
    receive(settings, 0, 50)
    return project, settings


def receive(settings: Settings, first: int, count: int) -> None:
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    with Journal.open(settings.journal_dir / "worker-0.db") as journal:
        journal.append(list(plain_orders(first, count)))


def alerts(settings: Settings) -> list[dict[str, Any]]:
    file = alerts_file(settings)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    """Addresses on which a process or one below it listens."""
    family = [process, *process.children(recursive=True)]
    found = {one.laddr for each in family for one in each.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    return {(address.ip, address.port) for address in found}


def test_new_data_starts_runs_that_tell_what_is_late_what_failed_and_repair_what_was_killed(
    place: tuple[Path, Settings],
) -> None:
    project, settings = place
    model = project / "models/marts/sales_dashboard_daily.sql"
    text = model.read_text(encoding="utf-8")

    with Server(project, settings, **NEW_DATA_ALONE, FRAZIL_AIRFLOW_DEADLINE_MINUTES="0.2") as airflow:
        assert stat.S_IMODE(password_file(settings).stat().st_mode) == 0o600
        assert {ip for ip, _ in listening(psutil.Process(airflow.process.pid))} == {"127.0.0.1"}

        first = airflow.finished_run(0)
        assert (first["run_type"], first["state"]) == ("asset_triggered", "success"), airflow.last_words()
        assert {one["state"] for one in airflow.tasks(first).values()} == {"success"}
        wait_until(lambda: any(one["kind"] == "run_late" for one in alerts(settings)), 60, airflow.last_words)

        model.write_text(BROKEN.format(text), encoding="utf-8")
        receive(settings, 50, 5)
        second = airflow.finished_run(1)
        states = {name: one["state"] for name, one in airflow.tasks(second).items()}
        failed = {name for name, state in states.items() if state == "failed"}
        blocked = {name for name, state in states.items() if state == "upstream_failed"}
        assert second["state"] == "failed"
        assert failed == {"transform.models.marts.sales_dashboard_daily.run", "transform.dbt_producer_watcher"}
        assert {name.split(".")[-2] for name in blocked if name.endswith("test")} == {"sales_dashboard_daily"}
        told = [one for one in alerts(settings) if one["kind"] == "task_failed"]
        assert any("no_such_column" in one["cause"] and "sales_dashboard_daily" in one["task"] for one in told)
        table = "transform.models.marts.sales_dashboard_daily.run"
        assert "no_such_column" in airflow.log(second, table, airflow.tasks(second)[table]["try_number"])

        model.write_text(text, encoding="utf-8")
        receive(settings, 55, 5)
        in_mid_model(airflow, snapshots(settings)).kill()
        third = airflow.finished_run(2)
        assert third["state"] == "failed", airflow.last_words()
        receive(settings, 60, 5)
        fourth = airflow.finished_run(3)
        assert fourth["state"] == "success", airflow.last_words()
        events = airflow.asset_events("raw")
        assert [one for one in events if one["timestamp"] > fourth["start_date"]] == []  # of what it drained itself
    assert sold(settings) == 65


def test_the_clock_starts_runs_and_marts_are_told_when_they_have_changed(place: tuple[Path, Settings]) -> None:
    project, settings = place
    mart = "marts.sales_dashboard_daily"
    each_minute = {"FRAZIL_AIRFLOW_POLL_SECONDS": "2", "FRAZIL_AIRFLOW_SCHEDULE": "* * * * *"}

    with Server(project, settings, **each_minute) as airflow:
        first = airflow.finished_run(0)
        assert first["state"] == "success", airflow.last_words()

        def idle() -> list[dict[str, Any]]:
            ended = [run for run in airflow.runs() if run["end_date"] and run["run_type"] == "scheduled"]
            return [run for run in ended if run["start_date"] > first["end_date"]]

        wait_until(lambda: bool(idle()), 240, airflow.last_words)
        assert idle()[0]["state"] == "success", airflow.last_words()
        (told,) = airflow.asset_events(mart)
        assert told["source_run_id"] == first["dag_run_id"]

        receive(settings, 50, 5)
        wait_until(lambda: len(airflow.asset_events(mart)) > 1, 240, airflow.last_words)
        again = airflow.asset_events(mart)[1]
        assert again["extra"]["snapshot"] != told["extra"]["snapshot"]
        assert sold(settings) == 55


def test_a_lake_that_is_away_is_tried_again_after_a_pause(place: tuple[Path, Settings]) -> None:
    project, settings = place
    catalog = settings.home_dir / "catalog.db"
    catalog.mkdir()
    task = "ingestion.drain_journals"

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        run = airflow.start_run()
        wait_until(lambda: airflow.tasks(run)[task]["state"] == "up_for_retry", 240, airflow.last_words)
        catalog.rmdir()
        done = airflow.finished_run(0)
        assert (done["dag_run_id"], done["state"]) == (run["dag_run_id"], "success"), airflow.last_words()
        first, second = airflow.tries(run, task)

    assert (first["try_number"], second["try_number"], second["state"]) == (1, 2, "success")
    assert _seconds(first["end_date"], second["start_date"]) >= 10
    assert [one for one in alerts(settings) if one["dag"] == PIPELINE] == []
    assert sold(settings) == 50


def test_a_build_whose_process_is_killed_in_mid_model_fails_and_the_next_run_repairs(
    place: tuple[Path, Settings],
) -> None:
    project, settings = place

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        in_mid_model(airflow, {}).parents()[0].kill()  # dbt; Spark's Java ends with it
        first = airflow.finished_run(0)
        states = {name: one["state"] for name, one in airflow.tasks(first).items()}
        assert first["state"] == "failed"
        assert states["transform.dbt_producer_watcher"] == "failed"
        assert states["transform.models.marts.sales_dashboard_daily.run"] in ("failed", "upstream_failed")
        causes = {one["task"]: one["cause"] for one in alerts(settings) if one["kind"] == "task_failed"}
        assert all("nothing was built" in cause for name, cause in causes.items() if name.endswith(".run"))
        wait_until(lambda: not _builders(airflow), 60, airflow.last_words)

        receive(settings, 50, 5)
        assert airflow.finished_run(1)["state"] == "success", airflow.last_words()
    assert sold(settings) == 55


def test_a_run_ended_by_an_operator_frees_the_lake_and_a_backfill_builds_anew(place: tuple[Path, Settings]) -> None:
    project, settings = place

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        wait_until(lambda: bool(_builders(airflow)), 240, airflow.last_words)
        run = airflow.runs()[0]
        airflow.ask("PATCH", f"dags/{PIPELINE}/dagRuns/{run['dag_run_id']}", {"state": "failed"})
        wait_until(lambda: not _builders(airflow), 120, airflow.last_words)
        receive(settings, 50, 5)
        repaired = airflow.finished_run(1)
        assert repaired["state"] == "success", airflow.last_words()
        assert sold(settings) == 55

        before = snapshots(settings)["staging.stg_shopify_orders"]
        today = datetime.now(UTC).date().isoformat()
        days = {"first_day": today, "last_day": today, "source": None, "reload": False}
        airflow.start_run(BACKFILL, days)
        backfill = airflow.finished_run(0, BACKFILL)
        assert backfill["state"] == "success", airflow.last_words()
        states = {name: one["state"] for name, one in airflow.tasks(backfill).items()}
        assert states == {"load_again": "skipped", "choose": "success", "run_pipeline": "success"}
        assert snapshots(settings)["staging.stg_shopify_orders"] > before
        assert sold(settings) == 55


def test_what_a_killed_airflow_left_behind_is_repaired_by_the_next_run(place: tuple[Path, Settings]) -> None:
    project, settings = place

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        wait_until(lambda: bool(_builders(airflow)), 240, airflow.last_words)
        airflow.kill()
    receive(settings, 50, 5)
    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        orphan = airflow.finished_run(0)
        assert orphan["state"] == "failed"
        repaired = airflow.finished_run(1)
        assert repaired["state"] == "success", airflow.last_words()
    assert sold(settings) == 55


def test_a_scheduler_that_is_killed_ends_airflow_and_all_it_had_started(place: tuple[Path, Settings]) -> None:
    project, settings = place

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        wait_until(lambda: bool(_builders(airflow)), 240, airflow.last_words)
        family = psutil.Process(airflow.process.pid).children(recursive=True)
        airflow.kill_component("scheduler")
        assert airflow.process.wait(120) != 0
        wait_until(lambda: not any(map(words_of, family)), 60, lambda: "\n".join(map(words_of, family)))
    receive(settings, 50, 5)
    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        assert airflow.finished_run(0)["state"] == "failed"
        assert airflow.finished_run(1)["state"] == "success", airflow.last_words()
    assert sold(settings) == 55


def test_airflows_own_database_may_be_postgresql(place: tuple[Path, Settings], postgres: TestPostgres) -> None:
    project, settings = place
    own = postgres.database()
    address = f"postgresql+psycopg://{own.user}:{own.password}@{own.host}:{own.port}/{own.database}"

    with Server(project, settings, **NEW_DATA_ALONE, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=address) as airflow:
        assert airflow.finished_run(0)["state"] == "success", airflow.last_words()

    with postgres.connect(own.database) as connection:
        runs = connection.execute("select state from dag_run where dag_id = %s", [PIPELINE]).fetchall()
    assert runs == [("success",)]
    assert not (settings.home_dir / "airflow" / "airflow.db").exists()
    assert sold(settings) == 50


def test_a_changed_project_is_told_in_one_line_and_shown_from_the_next_graph_on(tmp_path: Path) -> None:
    project, settings = small_copy_of_the_project(tmp_path / "project"), Settings(home=tmp_path / "home")
    link_jars(settings.home_dir)
    added = project / "models/marts/orders_by_day.sql"
    broken = project / "models/marts/broken.sql"
    task = "transform.models.marts.orders_by_day_run"  # it has no tests

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        wait_until(lambda: bool(airflow.ask("GET", f"dags/{PIPELINE}")), 120, airflow.last_words)
        broken.write_text("select * from {{ ref('nothing_of_the_kind') }}", encoding="utf-8")
        receive(settings, 0, 5)
        assert airflow.finished_run(0)["state"] == "failed"
        broken.unlink()
        added.write_text(VIEW, encoding="utf-8")
        receive(settings, 5, 5)
        assert airflow.finished_run(1)["state"] == "failed"
        causes = [one["cause"] for one in alerts(settings) if one["task"] == "read_project"]
        assert ["nothing_of_the_kind" in cause for cause in causes] == [True, False]
        assert "the graph is renewed, run again" in causes[1]

        def is_shown() -> bool:
            return task in [one["task_id"] for one in airflow.ask("GET", f"dags/{PIPELINE}/tasks")["tasks"]]

        wait_until(is_shown, 240, airflow.last_words)
        receive(settings, 10, 5)
        done = airflow.finished_run(2)
        assert done["state"] == "success", airflow.last_words()
        assert airflow.tasks(done)[task]["state"] == "success"
    assert sold(settings) == 15


def test_a_table_that_is_tried_again_is_built_alone(place: tuple[Path, Settings]) -> None:
    project, settings = place
    model = project / "models/marts/sales_dashboard_daily.sql"
    text = model.read_text(encoding="utf-8")
    model.write_text(BROKEN.format(text), encoding="utf-8")
    table = "transform.models.marts.sales_dashboard_daily"

    with Server(project, settings, **NEW_DATA_ALONE) as airflow:
        first = airflow.finished_run(0)
        tasks = airflow.tasks(first)
        assert (tasks[f"{table}.run"]["state"], tasks[f"{table}.test"]["state"]) == ("failed", "upstream_failed")
        before = snapshots(settings)

        model.write_text(text, encoding="utf-8")
        asked = {"dag_run_id": first["dag_run_id"], "task_ids": [f"{table}.run", f"{table}.test"]}
        airflow.ask("POST", f"dags/{PIPELINE}/clearTaskInstances", asked | {"dry_run": False, "only_failed": False})
        wait_until(lambda: airflow.tasks(first)[f"{table}.test"]["state"] == "success", 240, airflow.last_words)

    after = snapshots(settings)
    written = {name for name, count in after.items() if count != before.get(name)}
    assert {name for name in written if not name.startswith("metadata.")} == {"marts.sales_dashboard_daily"}
    assert sold(settings) == 50


def sold(settings: Settings) -> int:
    """Orders in the mart."""
    catalog = open_catalog(settings)
    counts = catalog.load_table("marts.sales_dashboard_daily").scan(selected_fields=("order_count",)).to_arrow()
    catalog.close()
    return sum(counts["order_count"].to_pylist())


def snapshots(settings: Settings) -> dict[str, int]:
    """How often each table was written."""
    catalog = open_catalog(settings)
    names = [".".join(name) for (layer,) in catalog.list_namespaces() for name in catalog.list_tables(layer)]
    found = {name: len(catalog.load_table(name).snapshots()) for name in names}
    catalog.close()
    return found


def in_mid_model(airflow: Server, before: dict[str, int]) -> psutil.Process:
    """The Java of a build, as soon as it has written its first table since `before` and goes on with the next."""

    def is_there() -> bool:
        now = snapshots(airflow.settings)
        return any(count > before.get(name, 0) for name, count in now.items() if name.startswith("staging.stg"))

    wait_until(is_there, 240, airflow.last_words)
    return _builders(airflow)[0]


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _builders(airflow: Server) -> list[psutil.Process]:
    """Java processes of Spark below Airflow: one while the build runs."""
    below = psutil.Process(airflow.process.pid).children(recursive=True)
    return [one for one in below if one.is_running() and one.name() == "java"]
