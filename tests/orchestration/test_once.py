"""The single run without a scheduler, on a small lake of its own: it ends, and says whether all went well."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pyiceberg.catalog import Catalog

from ingestion.build.lease import build_lease
from ingestion.build.state import load_state
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from orchestration.include.alerts import alerts_file
from tests.support.project import clean_environment, small_copy_of_the_project
from tests.support.spark import link_jars

Read = TypeVar("Read")
pytestmark = pytest.mark.spark

ORDERS = 60
BROKEN = "select no_such_column from {{ ref('stg_shopify_orders') }}\n"


class Once:
    """A copy of the project, whose code a test may change, and a lake with deliveries that wait in its journal."""

    def __init__(self, folder: Path) -> None:
        self.project = small_copy_of_the_project(folder / "project")
        self.settings = Settings(home=folder / "home")
        link_jars(self.settings.home_dir)
        self.output = ""

    def receive(self, first: int, count: int) -> None:
        self.settings.journal_dir.mkdir(parents=True, exist_ok=True)
        with Journal.open(self.settings.journal_dir / "worker-0.db") as journal:
            journal.append(list(plain_orders(first, count)))

    def run(self, tell: Callable[[str], object] = lambda line: None) -> int:
        """The exit code of one `make airflow-once`; `tell` is called with each line that it writes, as it comes."""
        own = {"FRAZIL_HOME": str(self.settings.home_dir), "PYTHONPATH": str(self.project), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.once", "--minutes", "8"],
            cwd=self.project,
            env=clean_environment() | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.output += line
                tell(line)
        return process.wait()

    def count(self, table: str) -> int:
        return int(self._catalog(lambda lake: lake.load_table(table).scan().count()))

    def snapshots(self) -> dict[str, list[int]]:
        """Of all tables above raw but the platform's own records."""

        def read(lake: Catalog) -> dict[str, list[int]]:
            spaces = ("raw", "staging", "semantic", "analytics", "marts")
            names = [".".join(name) for space in spaces for name in lake.list_tables(space)]
            return {name: [one.snapshot_id for one in lake.load_table(name).snapshots()] for name in names}

        return self._catalog(read)

    def states(self) -> dict[str, bool]:
        """Table to whether its last build was good."""
        return self._catalog(lambda lake: {node.split(".")[-1]: one.is_good for node, one in load_state(lake).items()})

    def alerts(self) -> list[dict[str, Any]]:
        file = alerts_file(self.settings)
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    def _catalog(self, read: Callable[[Catalog], Read]) -> Read:
        lake = open_catalog(self.settings)
        try:
            return read(lake)
        finally:
            lake.close()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    found = Once(tmp_path_factory.mktemp("once"))
    found.receive(0, ORDERS)
    return found


def test_one_run_brings_what_waits_to_the_marts_and_tells_its_lineage(once: Once) -> None:
    assert once.run() == 0, once.output[-4000:]

    assert once.count("raw.shopify_orders") == ORDERS
    assert once.count("staging.stg_shopify_orders") == ORDERS
    assert once.count("marts.sales_dashboard_daily") > 0
    assert all(once.states().values())
    events = _events(once)
    assert {"staging.stg_shopify_orders", "marts.sales_dashboard_daily"} <= set(events)
    columns = events["marts.sales_dashboard_daily"]["outputs"][0]["facets"]["columnLineage"]["fields"]
    origins = [(one["name"], one["field"]) for one in columns["order_count"]["inputFields"]]
    assert origins == [("analytics.order_summary", "order_count")]


def test_a_failed_model_blocks_only_what_reads_it_and_the_alert_says_so(once: Once) -> None:
    model = once.project / "models/analytics/order_summary.sql"
    text = model.read_text(encoding="utf-8")
    model.write_text(BROKEN, encoding="utf-8")
    once.receive(ORDERS, 5)

    code = once.run()
    model.write_text(text, encoding="utf-8")

    assert code != 0
    assert once.count("staging.stg_shopify_orders") == ORDERS + 5
    assert {name for name, good in once.states().items() if not good} == {"order_summary", "sales_dashboard_daily"}
    alert = next(one for one in once.alerts() if one["task"].endswith("order_summary.run"))
    assert "no_such_column" in alert["cause"]
    failed = {one["task"] for one in once.alerts()}
    assert failed == {"transform.dbt_producer_watcher", "transform.models.analytics.order_summary.run"}
    assert {name.split(".")[-2] for name in alert["blocks"] if name.endswith(".run")} == {"sales_dashboard_daily"}
    assert "end" in alert["blocks"]


def test_the_next_run_waits_for_another_build_and_repairs_without_help(once: Once) -> None:
    waiting: list[str] = []
    with ExitStack() as held:
        held.enter_context(build_lease(once.settings.home_dir))

        def end_the_other_build(line: str) -> None:
            if "waiting: " in line and "is being built" in line:
                waiting.append(line)
                held.close()

        code = once.run(end_the_other_build)

    assert len(waiting) == 1, once.output[-4000:]
    assert code == 0, once.output[-4000:]
    assert all(once.states().values())


def test_a_run_with_nothing_new_repeats_no_work(once: Once) -> None:
    before = once.snapshots()

    assert once.run() == 0, once.output[-4000:]

    assert once.snapshots() == before


def test_a_project_that_cannot_be_parsed_fails_with_dbts_words(once: Once) -> None:
    broken = once.project / "models/marts/broken.sql"
    broken.write_text("select * from {{ ref('nothing_of_the_kind') }}", encoding="utf-8")

    code = once.run()
    broken.unlink()

    assert code != 0
    assert "nothing_of_the_kind" in once.output
    assert "Traceback" not in once.output


def _events(once: Once) -> dict[str, dict[str, Any]]:
    lines = (once.settings.home_dir / "lineage" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert all(event["eventType"] == "COMPLETE" for event in events)
    return {event["job"]["name"]: event for event in events}
