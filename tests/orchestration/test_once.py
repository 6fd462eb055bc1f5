"""The single run without a scheduler, and maintenance between runs: it ends, and says whether all went well."""

import json
from contextlib import ExitStack
from typing import Any

import pytest

from ingestion.build.lease import build_lease
from ingestion.lake.sink import drain
from tests.orchestration.single_run import Once

pytestmark = pytest.mark.spark

ORDERS = 60
# For the folders of this test: what raw is to be kept by is due for its manifests alone, staging for old snapshots.
POLICIES = {
    "retention_days: 3, keep_snapshots: 20, small_files: 16, target_file_mb: 128": "small_files: 16, manifests: 2",
    "retention_days: 7, keep_snapshots: 10, small_files: 8, delete_files: 4": "retention_days: 0, keep_snapshots: 1",
}
BROKEN = "select no_such_column from {{ ref('stg_shopify_orders') }}\n"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    found = Once(tmp_path_factory.mktemp("once"))
    settings = found.project / "dbt_project.yml"
    text = settings.read_text(encoding="utf-8")
    for old, new in POLICIES.items():  # staging is the first folder of its kind
        assert old in text
        text = text.replace(old, new, 1)
    settings.write_text(text, encoding="utf-8")
    found.receive(0, ORDERS)
    return found


def test_one_run_brings_what_waits_to_the_marts_and_tells_its_lineage(once: Once) -> None:
    assert once.run() == 0, once.output[-4000:]

    assert "ingestion.load_archive" in once.output
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

    assert code == 1
    assert "stopped after" not in once.output
    assert once.count("staging.stg_shopify_orders") == ORDERS + 5
    assert {name for name, good in once.states().items() if not good} == {"order_summary", "sales_dashboard_daily"}
    alert = next(one for one in once.alerts() if one["task"].endswith("order_summary.run"))
    assert "no_such_column" in alert["cause"]
    failed = {one["task"] for one in once.alerts()}
    assert failed == {"transform.dbt_producer_watcher", "transform.models.analytics.order_summary.run"}
    assert {name.split(".")[-2] for name in alert["blocks"] if name.endswith(".run")} == {"sales_dashboard_daily"}
    assert "end" in alert["blocks"]


def test_the_next_run_waits_for_another_build_and_repairs_without_help(once: Once) -> None:
    for number in range(2):  # two commits more of a raw table
        once.receive(ORDERS + 5 + number, 1)
        drain(once.settings)
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


def test_maintenance_keeps_each_folder_by_its_own_policy(once: Once) -> None:
    before = once.snapshots()
    planned = {row["table"]: row for row in once.frazil("maintain", "plan") if row["is_due"]}

    assert once.run(dag="lake_maintenance") == 0, once.output[-4000:]

    raw, staging = planned["raw.shopify_orders"], planned["staging.stg_shopify_orders"]
    assert (raw["rewrites_manifests"], raw["compacts_files"], raw["frees_bytes"]) == (True, 0, 0)
    assert staging["expires_snapshots"] == len(before["staging.stg_shopify_orders"]) - 1 > 0
    after = once.snapshots()
    assert after["staging.stg_shopify_orders"] == before["staging.stg_shopify_orders"][-1:]
    assert after["analytics.order_summary"] == before["analytics.order_summary"]
    assert once.count("raw.shopify_orders") == once.count("staging.stg_shopify_orders") == ORDERS + 7
    assert [row["table"] for row in once.frazil("maintain", "plan") if row["is_due"]] == []


def test_a_run_with_nothing_new_repeats_no_work(once: Once) -> None:
    before = once.snapshots()

    assert once.run() == 0, once.output[-4000:]

    assert once.snapshots() == before


def test_a_table_is_rolled_back_by_a_command_that_says_what_follows(once: Once) -> None:
    first = once.snapshots()["analytics.order_summary"][0]

    told = once.frazil("maintain", "rollback", "analytics.order_summary", "--to", str(first))

    assert (told["table"], told["snapshot"]) == ("analytics.order_summary", first)
    assert told["readers"] == ["marts.sales_dashboard_daily"]
    assert once.count("analytics.order_summary") > 0


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
