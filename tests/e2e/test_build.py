"""`frazil run`'s promises: it builds what has new input or new code, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingestion.build.dbt import Dbt, NodeResult
from ingestion.build.runner import Builder, BuildReport
from ingestion.cli.run import command
from ingestion.errors import PermanentError
from ingestion.lake.sink import Sink
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Delivery
from tests.support.lake import Lake
from tests.unit.lake.deliveries import journalled, order

pytestmark = pytest.mark.spark

PARTS = ("models", "macros", "seeds", "snapshots", "profiles", "tests/dbt")
# Columns that people were promised, with their types in Iceberg.
PROMISED = {
    "staging.stg_shopify_orders": {
        **dict.fromkeys(("order_id", "customer_id", "email", "currency", "financial_status", "_raw_id"), "string"),
        **dict.fromkeys(("fulfillment_status", "shipping_city", "shipping_state", "shipping_country"), "string"),
        **dict.fromkeys(("billing_city", "billing_state", "billing_country"), "string"),
        **dict.fromkeys(("total_amount", "subtotal_amount", "tax_amount"), "decimal(18, 2)"),
        **dict.fromkeys(("discount_amount", "shipping_amount"), "decimal(18, 2)"),
        **{"order_number": "long", "line_item_count": "int", "order_date": "date"},
        **dict.fromkeys(("is_paid", "is_fulfilled"), "boolean"),
        **dict.fromkeys(("created_at", "updated_at", "_staged_at"), "timestamptz"),
    },
    "semantic.entity_index": {
        **dict.fromkeys(("entity_id", "source", "source_id", "email", "email_normalized", "phone"), "string"),
        **dict.fromkeys(("phone_normalized", "first_name", "last_name", "full_name"), "string"),
        "match_confidence": "decimal(5, 2)",
        **dict.fromkeys(("created_at", "updated_at"), "timestamptz"),
    },
    "metadata.incremental_watermarks": {
        **{"source_table": "string", "pipeline_name": "string", "records_processed": "long"},
        **dict.fromkeys(("last_sync_timestamp", "updated_at"), "timestamptz"),
    },
    "analytics.customer_metrics": {
        **{"entity_id": "string", "currency": "string", "order_count": "long"},
        **dict.fromkeys(("gross_sales_amount", "refunded_amount", "net_sales_amount"), "decimal(18, 2)"),
        **{"charged_amount": "decimal(18, 2)", "first_order_at": "timestamptz", "last_order_at": "timestamptz"},
    },
    "analytics.order_summary": {
        **{"period_type": "string", "period_start": "date", "currency": "string", "order_count": "long"},
        **dict.fromkeys(("gross_sales_amount", "refunded_amount", "net_sales_amount"), "decimal(18, 2)"),
        "average_order_amount": "decimal(18, 2)",
    },
    "analytics.payment_metrics": {
        **{"payment_date": "date", "currency": "string", "status": "string", "charge_count": "long"},
        **dict.fromkeys(("charged_amount", "refunded_amount", "net_amount"), "decimal(18, 2)"),
    },
}
PROMISED_COLUMN = "days.order_count"
VIEW = "semantic.entity_id_current"
FAILING_TEST = "select order_date from {{ ref('sales_dashboard_daily') }}"


def customer(city: str, at: int) -> Delivery:
    """A customer who lived there on that day of January 2026."""
    body = {"id": 7, "updated_at": f"2026-01-{at:02}T00:00:00Z", "default_address": {"city": city}}
    headers = json.dumps({"x-shopify-topic": "customers/update"}).encode()
    return Delivery(
        "shopify", f"customer-{at}".encode(), 1_767_225_600_000_000, headers, json.dumps(body).encode(), None
    )


class Project:
    """A lake that has been built once, and a copy of the project whose code a test may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        for part in PARTS:
            shutil.copytree(PROJECT_ROOT / part, self.folder / part)
        shutil.copy(PROJECT_ROOT / "dbt_project.yml", self.folder)
        self.lake = Lake(Settings(home=folder / "home"))
        self.lake.land([*plain_orders(0, 50), customer("Oslo", at=1)])
        self.first = self.build()

    def build(self) -> BuildReport:
        """What one `frazil run` does after its sink; the project is parsed anew each time."""
        dbt = Dbt(self.lake.settings, project_dir=self.folder)
        return Builder(self.lake.settings, self.lake.catalog, dbt).build()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("build"))


def names(report: BuildReport) -> set[str]:
    return {node.split(".")[-1] for node in report.selection.build}


def by_test(report: BuildReport) -> dict[str, NodeResult]:
    """What became of its tests, by their names."""
    return {one.unique_id.split(".")[2]: one for one in report.results if one.unique_id.startswith("test.")}


def test_the_first_build_builds_and_tests_everything(project: Project) -> None:
    assert project.first.not_good == []
    assert {"stg_shopify_orders", "entity_index", "customer_360", "currencies"} <= names(project.first)
    assert project.first.rows_written["staging.stg_shopify_orders"] == 50


def test_tables_have_the_columns_and_types_that_were_promised_and_are_described(project: Project) -> None:
    for name, promised in PROMISED.items():
        fields = project.lake.catalog.load_table(name).schema().fields
        found = {field.name: str(field.field_type) for field in fields}
        assert {column: found.get(column) for column in promised} == promised, name
    described = (PROJECT_ROOT / "docs/reference/tables.md").read_text(encoding="utf-8").splitlines()
    assert {name for name in project.lake.snapshot_ids() if f"## {name}" not in described} == set()


def test_a_customer_who_has_moved_has_two_versions_one_after_the_other(project: Project) -> None:
    project.lake.land([customer("Bergen", at=2), customer("Oslo", at=1)])
    project.build()

    versions = project.lake.rows("snapshots.shopify_customers_history")
    first, second = sorted((row for row in versions if row["customer_id"] == "7"), key=lambda row: row["valid_from_at"])
    assert (first["city"], second["city"]) == ("Oslo", "Bergen")
    assert first["valid_to_at"] == second["valid_from_at"]
    assert second["valid_to_at"] is None


def test_with_nothing_new_nothing_runs_and_nothing_is_committed(project: Project) -> None:
    before = project.lake.snapshot_ids()

    report = project.build()

    assert report.results == []
    assert project.lake.snapshot_ids() == before


def test_the_command_builds_beside_a_sink_that_holds_the_journals_and_names_what_is_no_journal(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project.lake.settings
    monkeypatch.setenv("FRAZIL_HOME", str(settings.home_dir))
    other = Sink(settings)
    journalled(settings, [order(1)])
    other.journals.refresh()

    beside = CliRunner().invoke(command, ["--once", "--json"])
    other.close()
    (settings.journal_dir / "worker-9.db").write_bytes(b"no journal at all" * 1000)
    broken = CliRunner().invoke(command, ["--once", "--json"])
    (settings.journal_dir / "worker-9.db").unlink()

    assert beside.exit_code == 0, beside.output
    assert json.loads(beside.stdout)["landed"] == {}
    assert json.loads(broken.stdout)["landed"] == {"raw.shopify_orders": 1}
    assert isinstance(broken.exception, PermanentError)
    assert "worker-9.db" in str(broken.exception)


def test_plain_dbt_with_nothing_new_commits_nothing_either(project: Project) -> None:
    project.build()
    before = project.lake.snapshot_ids()

    project.lake.dbt("build", "--resource-types", "seed", "model", "snapshot")

    assert project.lake.snapshot_ids() == before


def test_new_orders_reach_only_the_models_below_them_and_only_their_rows(project: Project) -> None:
    project.lake.land(plain_orders(10, 3, version=1, orders=50))

    report = project.build()

    assert report.not_good == []
    assert {"stg_shopify_orders", "order_summary", "sales_dashboard_daily"} <= names(report)
    assert {"stg_stripe_charges", "stg_hubspot_contacts", "currencies"}.isdisjoint(names(report))
    assert report.rows_written["staging.stg_shopify_orders"] == 3
    assert not any(one.unique_id.startswith("unit_test.") for one in report.results)


def test_what_was_read_is_not_read_again_as_long_as_it_is_known_what_came_since(project: Project) -> None:
    lake = project.lake

    def stored_after(number: int, **more: object) -> set[str]:
        lake.land(plain_orders(number, 1, orders=50))
        said = json.dumps({"lookback_seconds": 3_600, **more})
        lake.dbt("run", "--select", "stg_shopify_orders", "--vars", said)
        return {row["order_id"] for row in lake.rows("staging.stg_shopify_orders")}

    before = stored_after(60)
    (lost,) = stored_after(61) - before
    lake.spark.sql(f"delete from staging.stg_shopify_orders where order_id = '{lost}'")
    known = stored_after(62)
    may_expire = stored_after(63, sink_keeps={"snapshots": 0, "minutes": 0, "at_most": 1_000})
    lake.spark.sql(f"delete from staging.stg_shopify_orders where order_id = '{lost}'")
    crowded = stored_after(64, sink_keeps={"snapshots": 0, "minutes": 60, "at_most": 0})
    lake.spark.sql(f"delete from staging.stg_shopify_orders where order_id = '{lost}'")
    young = stored_after(65, sink_keeps={"snapshots": 0, "minutes": 60, "at_most": 1_000})
    lake.land(plain_orders(66, 1, orders=50))
    lake.forget("raw.shopify_orders")
    expired = stored_after(67)
    project.build()

    assert [lost in one for one in (known, may_expire, crowded, young, expired)] == [False, True, True, False, True]
    assert len(expired) == len(before) + 7


def test_compaction_is_no_change(project: Project) -> None:
    project.lake.spark.sql(
        "call lake.system.rewrite_data_files(table => 'raw.shopify_orders', options => map('min-input-files', '2'))"
    )

    assert project.build().results == []


def test_changed_code_is_rebuilt_from_all_input_and_says_so(project: Project) -> None:
    model = project.folder / "models/marts/sales_dashboard_daily.sql"
    model.write_text(model.read_text(encoding="utf-8") + "\n-- changed\n", encoding="utf-8")
    rows = len(project.lake.rows("marts.sales_dashboard_daily"))

    report = project.build()

    assert names(report) == {"sales_dashboard_daily"}
    assert report.selection.rebuild == ["model.frazil.sales_dashboard_daily"]
    assert "changed" in report.selection.reasons["model.frazil.sales_dashboard_daily"]
    assert report.rows_written["marts.sales_dashboard_daily"] == rows
    assert project.build().results == []


def test_a_changed_column_breaks_its_contract_and_a_view_may_become_a_table_and_one_again(project: Project) -> None:
    mart, view = (
        project.folder / f"models/{name.replace('.', '/')}.sql" for name in ("marts.sales_dashboard_daily", VIEW)
    )
    before, texts = project.lake.snapshot_ids()["marts.sales_dashboard_daily"], [mart.read_text(), view.read_text()]
    mart.write_text(texts[0].replace(PROMISED_COLUMN, f"cast({PROMISED_COLUMN} as string) as order_count"))
    view.write_text(texts[1].replace("materialized='view', ", ""))
    assert [mart.read_text(), view.read_text()] != texts

    changed = project.build()
    after = project.lake.snapshot_ids()["marts.sales_dashboard_daily"]
    is_table = project.lake.catalog.table_exists(VIEW)
    mart.write_text(texts[0])
    view.write_text(texts[1])
    restored = project.build()

    broken = {one.unique_id.split(".")[-1]: one.message for one in changed.failed_nodes}
    assert set(broken) == {"sales_dashboard_daily"}
    assert "contract" in broken["sales_dashboard_daily"]
    assert "order_count" in broken["sales_dashboard_daily"]
    assert before == after
    assert is_table
    assert restored.not_good == []
    assert not project.lake.catalog.table_exists(VIEW)
    assert project.lake.spark.sql(f"select * from {VIEW}").count()


def test_a_full_refresh_keeps_the_tables_history(project: Project) -> None:
    before = project.lake.snapshot_ids()["marts.sales_dashboard_daily"]

    project.lake.dbt("build", "--resource-types", "model", "--full-refresh", "--select", "sales_dashboard_daily")

    after = project.lake.snapshot_ids()["marts.sales_dashboard_daily"]
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


def test_a_failed_test_runs_again_until_it_passes(project: Project) -> None:
    project.build()
    test = project.folder / "tests/dbt/assert_no_day_has_sales.sql"
    test.write_text(FAILING_TEST, encoding="utf-8")
    project.lake.land(plain_orders(20, 1, version=1, orders=50))

    first, second = project.build(), project.build()
    test.unlink()
    third, fourth = project.build(), project.build()

    assert [one.unique_id.split(".")[2] for one in first.failed_tests] == ["assert_no_day_has_sales"]
    assert names(second) >= {"sales_dashboard_daily"}
    assert len(second.failed_tests) == 1
    assert third.not_good == []
    assert third.results != []
    assert fourth.results == []


@pytest.fixture(scope="module")
def rounds(project: Project) -> dict[str, BuildReport]:
    """What one builder, which remembers what its tests were asked of, did of one order after another."""
    dbt = Dbt(project.lake.settings, project_dir=project.folder)
    builder = Builder(project.lake.settings, project.lake.catalog, dbt)

    def after(*orders: Delivery) -> BuildReport:
        project.lake.land(orders)
        return builder.build()

    found = {"first": after(*plain_orders(70, 1, orders=50)), "appended": after(*plain_orders(71, 1, orders=50))}
    found["merged"] = after(*plain_orders(40, 1, version=3, orders=50))
    odd = [order._replace(body=order.body.replace(b'"paid"', b'"odd"')) for order in plain_orders(72, 1, orders=50)]
    project.lake.spark.sql("insert into analytics.customer_metrics (currency) values ('USD')")
    found["broken"] = after(*odd)
    project.lake.spark.sql("delete from analytics.customer_metrics where entity_id is null")
    found["mended"] = after(*plain_orders(33, 1, version=2, orders=50))
    return found


def test_a_test_of_single_rows_is_asked_of_the_rows_written_alone(rounds: dict[str, BuildReport]) -> None:
    appended, merged, broken = (by_test(rounds[name]) for name in ("appended", "merged", "broken"))

    of_orders = next(name for name in appended if name.startswith("accepted_values_stg_shopify_orders_financial"))
    of_totals = "period_net_is_gross_less_refunds"
    assert appended[of_orders].is_proven
    assert appended[of_totals].is_proven
    assert not appended["unique_key_stg_shopify_orders_order_id"].is_proven
    assert not merged[of_orders].is_proven
    assert merged[of_totals].is_proven
    assert not broken[of_orders].is_proven
    assert broken[of_orders].status == "warn"


def test_a_test_is_asked_again_only_where_its_rows_may_have_changed(rounds: dict[str, BuildReport]) -> None:
    proven = {name: {test for test, one in by_test(report).items() if one.is_proven} for name, report in rounds.items()}

    key = "unique_key_customer_metrics_entity_id__currency"
    assert proven["first"] == set()
    assert {key, "customer_360_counts_add_up"} <= proven["merged"]
    assert "assert_customer_metrics_equal_attributed_orders" not in proven["merged"]
    assert "unique_key_stg_shopify_orders_order_id" not in proven["merged"]
    assert key in {one.unique_id.split(".")[2] for one in rounds["broken"].failed_tests}
    assert key not in proven["mended"]
    assert rounds["mended"].not_good == []
