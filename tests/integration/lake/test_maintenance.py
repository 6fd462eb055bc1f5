"""`frazil maintain`: tables become cheap again, and nobody who reads or writes them can tell."""

import os
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingestion.build.dbt import Dbt
from ingestion.build.runner import Builder, BuildReport
from ingestion.build.state import data_snapshot
from ingestion.cli.maintain import command
from ingestion.errors import UsageError
from ingestion.lake.maintenance.plan import TablePlan, plan_lake
from ingestion.lake.maintenance.policy import Policy, policies
from ingestion.lake.maintenance.run import Kept, Maintenance
from ingestion.lake.status import watermarks
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from tests.support.lake import Lake
from tests.support.project import small_copy_of_the_project

pytestmark = pytest.mark.spark

RAW = "raw.shopify_orders"
STAGING = "staging.stg_shopify_orders"
SUMMARY = "analytics.order_summary"
# The hardest policy there is: all that may go goes.
AT_ONCE = Policy(retention_days=0, keep_snapshots=1, small_files=2, delete_files=1, manifests=2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(home=tmp_path / "home"))


def keep(lake: Lake, *names: str, policy: Policy = AT_ONCE) -> list[Kept]:
    """What `frazil maintain run` does, by one policy for all."""
    plans = plan_lake(lake.catalog, dict.fromkeys(lake.tables(("raw", "staging", "analytics", "marts")), policy), names)
    return Maintenance(lake.catalog, lambda: lake.spark).carry_out(plans)


def plan(lake: Lake, name: str, policy: Policy = AT_ONCE) -> TablePlan:
    return plan_lake(lake.catalog, {name: policy}, [name])[0]


def build(lake: Lake, project: Path) -> BuildReport:
    """What a `frazil run` of its own does after its sink."""
    return Builder(lake.settings, lake.catalog, Dbt(lake.settings, project_dir=project)).build(unit_tests=False)


def test_many_small_commits_become_one_file_with_the_same_rows_and_marks(lake: Lake) -> None:
    for number in range(12):
        lake.land(plain_orders(number * 5, 5))
    before = sorted(row["_event_id"] for row in lake.rows(RAW))
    marks = lake.catalog.load_table(RAW).properties

    (done,) = keep(lake, RAW)

    table = lake.catalog.load_table(RAW)
    assert (done.before.data, done.after.data) == (12, 1)
    assert len(table.snapshots()) <= 3
    assert sorted(row["_event_id"] for row in lake.rows(RAW)) == before
    assert {key: value for key, value in table.properties.items() if key.startswith("frazil.")} == {
        key: value for key, value in marks.items() if key.startswith("frazil.")
    }
    assert plan(lake, RAW).files.needs_compaction is False


def test_the_sink_goes_on_from_its_marks_after_maintenance(lake: Lake) -> None:
    for number in range(4):
        lake.land(plain_orders(number * 5, 5))
    keep(lake, RAW)

    lake.land(plain_orders(20, 5))
    lake.land([])

    assert len(lake.rows(RAW)) == 25
    assert len({row["_event_id"] for row in lake.rows(RAW)}) == 25


def test_a_sink_that_commits_all_the_while_loses_and_repeats_nothing(lake: Lake) -> None:
    stop = threading.Event()
    landed: list[int] = []
    wrong: list[Exception] = []

    def write() -> None:
        while not stop.is_set():
            try:
                lake.land(plain_orders(len(landed) * 3, 3))
            except Exception as error:
                wrong.append(error)
                return
            landed.append(3)
            time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(landed) < 8 and not wrong:
            time.sleep(0.1)
        rounds = [keep(lake, RAW) for _ in range(3)]
    finally:
        stop.set()
        writer.join()

    assert wrong == []
    assert any(done for done in rounds)
    assert sum(landed) > 24
    assert len(lake.rows(RAW)) == sum(landed) == len({row["_event_id"] for row in lake.rows(RAW)})


def test_merged_tables_lose_their_delete_files_and_keep_their_rows(lake: Lake) -> None:
    lake.land(plain_orders(0, 40))
    lake.dbt("seed")
    lake.dbt("run", "--select", "stg_shopify_orders")
    for version in range(1, 5):
        lake.land(plain_orders(0, 10, version=version, orders=40))
        lake.dbt("run", "--select", "stg_shopify_orders")
    before = sorted(lake.rows(STAGING), key=lambda row: row["order_id"])
    written = data_snapshot(lake.catalog.load_table(STAGING))

    (done,) = keep(lake, STAGING, policy=Policy(delete_files=1))

    assert done.before.deletes > 0
    assert (done.after.data, done.after.deletes) == (1, 0)
    table = lake.catalog.load_table(STAGING)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert [one.has_added_files() or one.has_existing_files() for one in snapshot.manifests(table.io)] == [True]
    assert data_snapshot(table) == written
    assert sorted(lake.rows(STAGING), key=lambda row: row["order_id"]) == before


def test_after_maintenance_of_all_tables_nothing_is_built_and_nothing_new_is_missed(lake: Lake, tmp_path: Path) -> None:
    project = small_copy_of_the_project(tmp_path / "project")
    lake.land(plain_orders(0, 40))
    build(lake, project)
    lake.land(plain_orders(0, 10, version=1, orders=40))
    build(lake, project)
    marks = {
        (row["pipeline_name"], row["source_table"]): row["last_sync_timestamp"] for row in watermarks(lake.catalog)
    }

    done = keep(lake)
    idle = build(lake, project)
    before = lake.snapshot_ids()
    lake.dbt("run", "--select", "stg_shopify_orders", "order_summary", "sales_dashboard_daily")
    after = lake.snapshot_ids()
    lake.land(plain_orders(40, 7))
    report = build(lake, project)

    assert {RAW, STAGING} <= {one.name for one in done}
    assert idle.results == []
    changed = {name for name, ids in after.items() if ids != before[name]}
    assert changed <= {"metadata.incremental_watermarks"}
    moved = {
        (row["pipeline_name"], row["source_table"]): row["last_sync_timestamp"] for row in watermarks(lake.catalog)
    }
    assert all(moved[key] >= moment for key, moment in marks.items())
    assert report.not_good == []
    assert report.rows_written[STAGING] == 7
    days = sum(row["order_count"] for row in lake.rows(SUMMARY) if row["period_type"] == "day")
    assert days == len(lake.rows(STAGING)) == 47


def test_what_killed_builds_left_goes_with_the_maintenance_of_all_tables(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAZIL_HOME", str(lake.settings.home_dir))
    lake.land(plain_orders(0, 5))
    left = lake.settings.steps_dir / "run_killed.db"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))

    one = CliRunner().invoke(command, ["run", "--table", RAW])
    kept = left.exists()
    every = CliRunner().invoke(command, ["run"])

    assert (one.exit_code, every.exit_code) == (0, 0)
    assert kept
    assert not left.exists()


def test_only_old_files_that_nothing_refers_to_are_removed(lake: Lake) -> None:
    for number in range(3):
        lake.land(plain_orders(number * 5, 5))
    folder = Path(lake.catalog.load_table(RAW).metadata.location.removeprefix("file://")) / "data"
    old, young = folder / "left-by-a-killed-writer.parquet", folder / "being-written.parquet"
    for file in (old, young):
        file.write_bytes(b"x" * 1000)
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    policy = Policy(orphan_days=1)

    found = plan(lake, RAW, policy)
    (done,) = keep(lake, RAW, policy=policy)

    assert [one.path for one in found.orphans] == [str(old)]
    assert found.frees == done.freed == 1000
    assert not old.exists()
    assert young.exists()
    assert len(lake.rows(RAW)) == 15


def test_no_file_of_a_living_table_is_an_orphan_however_old_and_oddly_named(lake: Lake) -> None:
    for number in range(3):
        lake.land(plain_orders(number * 5, 5))
    keep(lake, RAW)
    lake.spark.sql("create table lake.staging.odd (name string) using iceberg partitioned by (name)")
    lake.spark.sql("insert into lake.staging.odd values ('a b'), ('50%3A'), ('x/y?z=1#2'), ('é:%'), ('plain')")
    for file in Path(lake.settings.home_dir, "warehouse").rglob("*.*"):
        os.utime(file, (time.time() - 30 * 86400,) * 2)

    found = {name: plan(lake, name, Policy(orphan_days=1)).orphans for name in (RAW, "staging.odd")}

    assert found["staging.odd"] == []
    reached = lake.read(RAW).num_rows
    Maintenance(lake.catalog, lambda: lake.spark).carry_out([plan(lake, RAW, Policy(orphan_days=1))])
    assert lake.read(RAW).num_rows == reached == 15
    assert {row["name"] for row in lake.rows("staging.odd")} == {"a b", "50%3A", "x/y?z=1#2", "é:%", "plain"}


def test_a_plan_changes_nothing_and_says_what_is_freed(lake: Lake) -> None:
    for number in range(6):
        lake.land(plain_orders(number * 5, 5))
    keep(lake, RAW, policy=Policy(small_files=2))
    before = lake.snapshot_ids()

    found = plan(lake, RAW)

    assert len(found.expired) >= 5
    assert found.expired_bytes > 0
    assert lake.snapshot_ids() == before


def test_each_folder_has_its_own_policy_and_a_wrong_one_is_named(lake: Lake) -> None:
    manifest = Dbt(lake.settings).manifest

    found = policies(manifest)

    assert found["marts.customer_360"].retention_days > found[STAGING].retention_days
    assert found[RAW].small_files == 16
    manifest.nodes["model.frazil.customer_360"].config.meta["maintenance"] = {"retention_days": "soon"}
    with pytest.raises(UsageError, match=r"customer_360: meta.maintenance.retention_days"):
        policies(manifest)


def test_a_table_that_there_is_not_is_named(lake: Lake) -> None:
    with pytest.raises(UsageError, match=r"no such table: raw\.nothing"):
        plan_lake(lake.catalog, {}, ["raw.nothing"])


def test_rows_of_one_run_are_still_found_by_their_bounds(lake: Lake) -> None:
    for number in range(4):
        lake.land(plain_orders(number * 5, 5))
    runs = {row["_run_id"] for row in lake.rows(RAW)}

    keep(lake, RAW)

    table = lake.catalog.load_table(RAW)
    assert [table.scan(row_filter=f"_run_id == '{run}'").count() for run in runs] == [5] * len(runs)
