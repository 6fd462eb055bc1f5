"""`frazil maintain rollback`: an earlier state for readers at once, and the next run makes all of it right again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion.build.dbt import Dbt
from ingestion.build.runner import Builder, BuildReport
from ingestion.build.selection import Graph
from ingestion.errors import UsageError
from ingestion.lake.maintenance import rollback
from ingestion.lake.maintenance.plan import plan_lake
from ingestion.lake.maintenance.policy import Policy
from ingestion.lake.maintenance.rollback import RolledBack, roll_back
from ingestion.lake.maintenance.run import Maintenance
from ingestion.lake.status import watermarks
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from tests.support.lake import Lake
from tests.support.project import small_copy_of_the_project

pytestmark = pytest.mark.spark

RAW = "raw.shopify_orders"
STAGING = "staging.stg_shopify_orders"
SUMMARY = "analytics.order_summary"
MART = "marts.sales_dashboard_daily"
ORDERS = 40
STAMPS = ("_staged_at", "_built_at")


class Business:
    """A small lake that was built twice: 40 orders, then ten of them changed."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(Settings(home=folder / "home"))
        self.dbt = Dbt(self.lake.settings, project_dir=small_copy_of_the_project(folder / "project"))
        self.change(ORDERS, 0)
        self.build()
        self.first = self.head(STAGING)
        self.change(10, 1)
        self.build()

    def change(self, count: int, version: int) -> None:
        self.lake.land(plain_orders(0, count, version=version, orders=ORDERS))

    def build(self) -> BuildReport:
        done = Builder(self.lake.settings, self.lake.catalog, self.dbt).build(unit_tests=False)
        assert done.not_good == []
        return done

    def roll_back(self, name: str, to: str | int) -> RolledBack:
        graph = Graph(self.dbt.manifest, self.lake.catalog, self.dbt.variables)
        return roll_back(self.lake.catalog, graph, name, str(to))

    def head(self, name: str) -> int:
        snapshot = self.lake.catalog.load_table(name).current_snapshot()
        assert snapshot is not None
        return snapshot.snapshot_id

    def content(self, *names: str) -> dict[str, list[str]]:
        """Rows without the times at which they were written."""
        found = {}
        for name in names or (STAGING, SUMMARY, MART):
            rows = self.lake.rows(name)
            found[name] = sorted(repr({key: one for key, one in row.items() if key not in STAMPS}) for row in rows)
        return found

    def marks(self, name: str) -> dict[str, Any]:
        rows = [row for row in watermarks(self.lake.catalog) if row["pipeline_name"] == name.split(".")[-1]]
        return {row["source_table"]: row["last_sync_timestamp"] for row in rows}


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Business:
    return Business(tmp_path_factory.mktemp("business"))


def test_the_next_run_goes_on_from_where_the_table_stood_and_repairs_what_had_read_it(business: Business) -> None:
    right, marks, good = business.content(), business.marks(STAGING), business.head(STAGING)
    business.lake.spark.sql(
        f"update lake.{STAGING} set total_amount = total_amount + 1000, _staged_at = current_timestamp()"
    )
    business.build()
    wrong = business.content()

    done = business.roll_back(STAGING, business.first)
    rolled_back, back = business.content(STAGING), business.marks(STAGING)
    report = business.build()

    assert all(wrong[name] != right[name] for name in right)
    assert (done.snapshot, done.readers) == (business.first, [SUMMARY])
    assert rolled_back[STAGING] != right[STAGING]
    assert done.goes_on_from == back
    assert back[RAW] < marks[RAW]
    assert [name.split(".")[-1] for name in report.selection.rebuild] == ["order_summary"]
    assert report.rows_written[STAGING] == 10
    assert business.content() == right
    assert business.marks(STAGING)[RAW] >= marks[RAW]
    assert business.head(STAGING) != good
    assert business.build().results == []


def test_a_time_names_what_was_current_then_and_a_mart_alone_is_repaired_too(business: Business) -> None:
    right = business.content()
    moment = datetime.now(UTC)
    business.change(5, 2)
    business.build()
    newest = business.content()

    done = business.roll_back(MART, moment.isoformat())
    rolled_back = business.content(MART)
    report = business.build()

    assert rolled_back[MART] == right[MART]
    assert done.readers == []
    assert [name.split(".")[-1] for name in report.selection.build] == ["sales_dashboard_daily"]
    assert business.content() == newest


def test_what_was_compacted_and_expired_meanwhile_is_built_anew(business: Business) -> None:
    """The parents' snapshots that the table had read are gone: it cannot go on from there."""
    business.change(5, 3)
    business.build()
    before = business.head(SUMMARY)
    business.change(5, 4)
    business.build()
    newest = business.content()
    at_once = Policy(retention_days=0, keep_snapshots=1, small_files=2, delete_files=1)
    plans = plan_lake(business.lake.catalog, {STAGING: at_once}, [STAGING])
    Maintenance(business.lake.catalog, lambda: business.lake.spark).carry_out(plans)

    done = business.roll_back(SUMMARY, before)
    report = business.build()

    assert done.goes_on_from is None
    assert business.marks(SUMMARY) != {}
    assert {name.split(".")[-1] for name in report.selection.rebuild} == {"order_summary", "sales_dashboard_daily"}
    assert business.content() == newest


def test_a_rollback_that_was_killed_half_way_is_repaired_by_the_next_run(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = business.head(STAGING)
    business.change(5, 5)
    business.build()
    newest = business.content()

    with monkeypatch.context() as patch:
        patch.setattr(rollback, "_set_watermarks", _killed)
        with pytest.raises(KeyboardInterrupt):
            business.roll_back(STAGING, before)
    rolled_back = business.content(STAGING)
    report = business.build()

    assert rolled_back[STAGING] != newest[STAGING]
    assert {name.split(".")[-1] for name in report.selection.rebuild} == {"stg_shopify_orders", "order_summary"}
    assert business.content() == newest


def test_what_cannot_be_rolled_back_is_refused_and_nothing_has_changed(business: Business) -> None:
    before = business.lake.snapshot_ids()
    heads = {name: business.head(name) for name in (RAW, STAGING)}

    for name, to, words in (
        (RAW, heads[RAW], "exist nowhere else"),
        ("metadata.build_state", 1, "no table of a model"),
        ("marts.nothing", 1, "no table of a model"),
        (STAGING, 1, "no snapshot 1, or no longer; the newest of those kept: "),
        (STAGING, "yesterday", "neither a snapshot's id nor a time"),
        (STAGING, "2020-01-01", "no snapshot 2020-01-01"),
        (STAGING, heads[STAGING], "already"),
    ):
        with pytest.raises(UsageError, match=words):
            business.roll_back(name, to)

    assert business.lake.snapshot_ids() == before
    assert {name: business.head(name) for name in heads} == heads


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
