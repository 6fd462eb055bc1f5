"""The demo as a user runs it, with a smaller business: the real server, sink and build in a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingestion.lake.catalog import open_catalog
from ingestion.lake.query import query
from ingestion.settings import Settings

ORDERS = 60


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def played(home: Path) -> dict[str, Any]:
    """What `frazil demo --json` printed."""
    frazil = str(Path(sys.executable).with_name("frazil"))
    words = [frazil, "demo", "--json", "--orders", str(ORDERS), "--home", str(home)]
    secrets = {f"{name}_WEBHOOK_SECRET": "" for name in ("SHOPIFY", "STRIPE", "HUBSPOT")}
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **secrets}, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def rows(home: Path, sql: str) -> list[dict[str, Any]]:
    catalog = open_catalog(Settings(home=home))
    found: list[dict[str, Any]] = query(catalog, sql).to_pylist()
    catalog.close()
    return found


@pytest.mark.spark
def test_every_request_is_accounted_for_at_the_door_and_in_the_lake(played: dict[str, Any]) -> None:
    accounts = {account["source"]: account for account in played["accounts"]}

    assert set(accounts) == {"shopify", "stripe", "hubspot"}
    for account in accounts.values():
        outcomes = [account[name] for name in ("accepted", "repeated", "quarantined", "refused")]
        assert account["sent"] == account["received"] == sum(outcomes)
        assert account["balances"] == "yes"
    assert accounts["hubspot"]["raw_rows"] > accounts["hubspot"]["accepted"] > 0
    assert sum(account["quarantined"] + account["refused"] for account in accounts.values()) > 0


@pytest.mark.spark
def test_the_marts_hold_the_generated_orders(played: dict[str, Any], home: Path) -> None:
    [staged] = rows(
        home,
        """select count(*) as orders, sum(total_amount) as amount from staging.stg_shopify_orders
           where not is_deleted and is_live and cancelled_at is null and currency = 'USD'""",
    )
    [mart] = rows(
        home,
        """select sum(order_count) as orders, sum(gross_sales_amount) as amount
           from marts.sales_dashboard_daily where currency = 'USD'""",
    )

    assert 0 < staged["orders"] < ORDERS
    assert mart == staged
    assert played["tables"]["staging.stg_shopify_orders"] == ORDERS


@pytest.mark.spark
def test_the_second_wave_rebuilds_only_what_it_touched(played: dict[str, Any]) -> None:
    second = played["waves"]["second"]

    written = {name: count for name, count in second["rows_written"].items() if count}
    assert second["requests"] > 0
    assert written["staging.stg_shopify_orders"] == second["requests"]
    assert "staging.stg_stripe_charges" not in written
    assert sum(written.values()) < sum(played["waves"]["first"]["rows_written"].values()) / 10


@pytest.mark.spark
def test_customers_of_the_three_systems_are_one_entity(played: dict[str, Any], home: Path) -> None:
    [shared] = rows(
        home, "select count(*) as entities from marts.customer_360 where sources = 'hubspot, shopify, stripe'"
    )

    assert shared["entities"] > 0
    assert played["marts"]
