"""The parts that the DAGs share, without Airflow running."""

import asyncio
import json
import os
import shutil
import signal
import stat
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ingestion.build.dbt import NodeResult
from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.sink import drain
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from orchestration import once
from orchestration.include.assets import NewDataTrigger, new_data
from orchestration.include.causes import first_failure
from orchestration.include.commands import frazil, run_module
from orchestration.include.databases import is_due, proven_sources, scheduled_sources
from orchestration.include.environment import airflow_environment, password_file
from orchestration.include.manifest import is_stale, load_manifest, manifest_file, project_mark, write_manifest
from tests.orchestration.running import wait_until
from tests.support.project import copy_of_the_project


def receive(settings: Settings, count: int) -> None:
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    with Journal.open(settings.journal_dir / "worker-0.db") as journal:
        journal.append(list(plain_orders(0, count)))


def test_secrets_are_random_private_and_stay_the_same(settings: Settings, tmp_path: Path) -> None:
    first, again = airflow_environment(settings), airflow_environment(settings)
    other = airflow_environment(Settings(home=tmp_path / "other"))

    assert first == again
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY"):
        assert len(first[name]) >= 40
        assert first[name] != other[name]
    for file in (password_file(settings), settings.home_dir / "airflow" / "secrets.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert password_file(settings).read_text() != password_file(Settings(home=tmp_path / "other")).read_text()


def test_a_bulk_load_is_due_once_for_each_tick_of_its_schedule() -> None:
    now = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)

    assert is_due("0 3 * * *", None, now)
    assert is_due("0 3 * * *", datetime(2026, 3, 2, 2, 59, tzinfo=UTC), now)
    assert not is_due("0 3 * * *", datetime(2026, 3, 2, 3, 1, tzinfo=UTC), now)


def test_only_sources_with_a_schedule_are_loaded_by_airflow(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("sources: {shop: {schedule: '0 3 * * *'}, archive: {dialect: oracle}}")

    assert scheduled_sources(Settings(config_dir=tmp_path)) == {"shop": "0 3 * * *"}


def test_sources_that_are_loaded_or_waited_for_are_proven(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(
        "sources: {shop: {schedule: '0 3 * * *', lag_gate: 60}, followed: {lag_gate: 60}, archive: {dialect: oracle}}"
    )

    assert proven_sources(Settings(config_dir=tmp_path)) == ["shop", "followed"]


def test_waiting_deliveries_are_new_data_until_they_are_drained(settings: Settings) -> None:
    assert new_data(settings) == {}

    receive(settings, 3)
    waiting = new_data(settings)
    drain(settings)

    assert waiting == {"worker-0": 3}
    assert new_data(settings) == {}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the pipeline runs: its last item is what Airflow, which is not here, would tell the trigger."""
    answers = [False]

    async def told(_: str) -> bool:
        return answers[-1]

    monkeypatch.setattr("orchestration.include.assets.is_running", told)
    return answers


@pytest.mark.usefixtures("running")
def test_the_trigger_fires_once_for_what_it_sees(settings: Settings) -> None:
    receive(settings, 3)

    async def events() -> list[object]:
        found = []
        stream = NewDataTrigger(0.05, "pipeline").run()
        found.append((await anext(stream)).payload)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 1)
        return found

    assert asyncio.run(events()) == [{"worker-0": 3}]


def test_a_run_under_way_is_not_followed_by_one_for_what_it_builds(settings: Settings, running: list[bool]) -> None:
    receive(settings, 3)
    running.append(True)

    async def event() -> object:
        stream = NewDataTrigger(0.05, "pipeline").run()
        coming = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(1)
        assert not coming.done()
        drain(settings)
        receive(settings, 5)  # two of them new
        running.append(False)
        return (await coming).payload

    assert asyncio.run(asyncio.wait_for(event(), 240)) == {"worker-0": 5}


@pytest.mark.usefixtures("running")
def test_the_trigger_outlives_a_catalog_that_cannot_be_read(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    receive(settings, 3)
    catalog = settings.home_dir / "catalog.db"
    catalog.mkdir()

    async def event() -> object:
        stream = NewDataTrigger(0.05, "pipeline").run()
        waiting = asyncio.ensure_future(anext(stream))
        while "cannot look for new data" not in caplog.text:
            await asyncio.sleep(0.05)
        catalog.rmdir()
        return (await waiting).payload

    assert asyncio.run(asyncio.wait_for(event(), 240)) == {"worker-0": 3}
    assert caplog.text.count("cannot look for new data") == 1


def test_a_commands_document_comes_back_and_its_failure_decides_the_retry(settings: Settings) -> None:
    assert isinstance(frazil("status"), dict)
    with pytest.raises(AirflowFailException, match=r"exit 2"):
        frazil("quarantine", "show", "nobody")
    with pytest.raises(AirflowFailException, match="no_such_module"):
        run_module("no_such_module")


def test_a_command_that_may_succeed_later_is_tried_again(settings: Settings) -> None:
    from ingestion.build.lease import build_lease

    with build_lease(settings.home_dir), pytest.raises(AirflowException, match="is being built") as raised:
        frazil("maintain", "run")

    assert not isinstance(raised.value, AirflowFailException)


def test_a_changed_project_makes_the_manifest_stale(airflow_home: Settings, tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")

    assert not is_stale(airflow_home, project)
    (project / "models/marts/another.sql").write_text("select 1 as one", encoding="utf-8")
    assert is_stale(airflow_home, project)
    assert project_mark(project) != project_mark()


def test_a_missing_manifest_is_named_with_the_command_that_makes_it(settings: Settings) -> None:
    with pytest.raises(PermanentError, match="make airflow"):
        load_manifest(settings)


def test_a_broken_manifest_is_named_and_made_anew(airflow_home: Settings, settings: Settings) -> None:
    file, mark = manifest_file(settings), manifest_file(settings).with_suffix(".mark")
    file.parent.mkdir(parents=True)
    whole = manifest_file(airflow_home).read_text(encoding="utf-8")
    file.write_text(whole[: len(whole) // 2], encoding="utf-8")
    mark.write_text(project_mark(), encoding="utf-8")
    assert not is_stale(settings)

    with pytest.raises(PermanentError, match=r"manifest\.json is broken .*make airflow"):
        load_manifest(settings)

    assert is_stale(settings)
    assert write_manifest(settings)
    assert load_manifest(settings)["nodes"].keys() == load_manifest(airflow_home)["nodes"].keys()


def test_a_catalog_that_cannot_be_reached_is_told_in_one_line_and_the_next_try_repairs(settings: Settings) -> None:
    receive(settings, 3)
    catalog = settings.home_dir / "catalog.db"
    catalog.mkdir()

    with pytest.raises(AirflowException, match=r"the lake's catalog .* cannot be opened") as raised:
        frazil("sink", "run", "--once")
    catalog.rmdir()

    assert not isinstance(raised.value, AirflowFailException)  # so it is tried again
    assert "\n" not in str(raised.value)
    assert frazil("sink", "run", "--once")["tables"] == {"raw.shopify_orders": 3}


def test_a_database_that_cannot_be_reached_is_told_in_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_POSTGRES_PORT", "1")

    with pytest.raises(AirflowException, match="connection refused") as raised:
        frazil("bulk", "load", "shop")

    assert "\n" not in str(raised.value)


def test_a_dag_file_with_an_import_error_is_told_in_one_line_and_hides_no_other(
    airflow_home: Settings, dags_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from orchestration.include import single

    shutil.copy(dags_folder / "docs_site.py", tmp_path)
    (tmp_path / "broken.py").write_text("from airflow.sdk import dag, no_such_name\n", encoding="utf-8")
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))

    with pytest.raises(SystemExit, match=r"broken\.py cannot be read: \w+Error: .*no_such_name") as one:
        single.run("broken")

    assert "\n" not in str(one.value)
    assert set(DagBag(str(tmp_path)).dags) == {"docs_site"}


def test_a_run_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    handler, child = signal.getsignal(signal.SIGTERM), tmp_path / "child"
    program = ["bash", "-c", f"sleep 3600 & echo $! > {child}; wait"]

    try:
        with pytest.raises(RetryableError, match=r"stopped after 0\.1 minutes"):
            once.run(program, dict(os.environ), minutes=0.1)
    finally:
        signal.signal(signal.SIGTERM, handler)

    wait_until(lambda: _has_ended(int(child.read_text())), 30, lambda: "the program's child lives on")


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_all_alerts_are_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.include.alerts import alerts_file, run_late

    monkeypatch.setenv("FRAZIL_HOME", str(tmp_path))
    asyncio.run(run_late({"dag_run": {"dag_run_id": "run-1"}}, minutes=5, dag_id="some_dag"))

    (line,) = alerts_file(Settings(home=tmp_path)).read_text(encoding="utf-8").splitlines()
    alert = json.loads(line)
    assert (alert["kind"], alert["dag"], alert["run"]) == ("run_late", "some_dag", "run-1")
    assert "5 minutes" in alert["cause"]


def test_an_alert_is_sent_to_the_addresses_of_the_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.include.alerts import run_late

    received: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("FRAZIL_ALERT_URLS", json.dumps([f"json://127.0.0.1:{server.server_port}/"]))
        asyncio.run(run_late({"dag_run": {"dag_run_id": "run-1"}}, minutes=5, dag_id="some_dag"))
        server.shutdown()
        thread.join()

    (alert,) = received
    assert alert["title"] == "run_late: some_dag"
    assert "cause: not done 5 minutes after it was made" in alert["message"]
    assert "repair: " in alert["message"]


def test_the_cause_is_what_failed_first_tests_of_the_code_before_the_table() -> None:
    orders = "model.frazil.orders"
    results = [
        NodeResult("unit_test.frazil.orders.sums_are_right", "error", 1, "no such column", ""),
        NodeResult(orders, "skipped", 0, "", ""),
        NodeResult("model.frazil.days", "error", 1, "disk full", ""),
        NodeResult("test.frazil.unique_orders.1", "fail", 1, "Got 2 results", ""),
    ]

    assert first_failure(results, orders, []) == "orders: no such column"
    assert first_failure(results, "model.frazil.days", []) == "days: disk full"
    assert first_failure(results, orders, ["test.frazil.unique_orders.1"]) == "unique_orders: Got 2 results"
    assert first_failure(results, "model.frazil.good", []) is None
