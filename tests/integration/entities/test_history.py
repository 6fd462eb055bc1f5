"""What customers bought follows them: when two entities turn out to be one, and when they do not any more."""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingestion.lake.query import query
from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.lake import Lake
from tests.support.people.generator import SCHEMA
from tests.support.people.staging import stage
from tests.support.spark import link_jars

pytestmark = pytest.mark.spark

_MODELS = ("path:models/semantic", "customer_metrics", "customer_360")
_MAILBOX = {"source": "shopify", "source_id": "1", "email": "stargazer77@floe.example"}
_NAMED = {
    "source": "shopify",
    "source_id": "2",
    "first_name": "Wilhelmina",
    "last_name": "Oudekerk",
    "phone": "+31612345678",
}
_BOTH = {
    "source": "stripe",
    "source_id": "cus_3",
    "name": "Wilhelmina Oudekerk",
    "email": "stargazer77@floe.example",
    "phone": "+31612345678",
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    link_jars(tmp_path)
    found = Lake(Settings(home=tmp_path))
    found.land([])
    found.dbt("seed")
    found.dbt("run", "--select", "+customer_360")
    return found


def test_history_moves_with_customers_who_become_one_and_back_when_they_are_two_again(lake: Lake) -> None:
    stage(lake.catalog, _people(_MAILBOX, _NAMED))
    _buy(lake, {"1": "10.00", "2": "20.50"})
    lake.dbt("run", "--select", *_MODELS)
    before = _entities(lake)
    assert _sales(lake) == {before["1"]: (1, Decimal("10.00")), before["2"]: (1, Decimal("20.50"))}
    assert _matches(lake) == {"1": ("self", True), "2": ("self", True)}

    stage(lake.catalog, _people(_BOTH))
    lake.dbt("run", "--select", *_MODELS)
    joined = _entities(lake)
    assert len(set(joined.values())) == 1
    assert _sales(lake) == {joined["1"]: (2, Decimal("30.50"))}
    retired = ({before["1"], before["2"]} - {joined["1"]}).pop()
    assert _remap(lake) == {retired: joined["1"]}
    _check_what_is_told(lake, retired, joined["1"])
    assert _moves(lake) == (1, 0)
    found = _matches(lake)
    assert {one for one, (_, is_golden) in found.items() if is_golden} == {"1"}
    assert all(tier.isdigit() for tier, _ in found.values())

    stage(lake.catalog, _people(_BOTH), replace=True, deleted=True)
    lake.dbt("run", "--select", *_MODELS)
    apart = _entities(lake)
    assert joined["1"] in apart.values()
    assert retired not in apart.values()
    assert _moves(lake) == (0, 1)
    assert _matches(lake) == {"1": ("self", True), "2": ("self", True)}
    assert _sales(lake) == {apart["1"]: (1, Decimal("10.00")), apart["2"]: (1, Decimal("20.50"))}
    assert _remap(lake) == {retired: joined["1"]}
    _check_that_a_rebuild_tells_what_it_retired(lake, apart)


def _check_that_a_rebuild_tells_what_it_retired(lake: Lake, before: dict[str, str]) -> None:
    stage(lake.catalog, _people(_BOTH), replace=True)

    lake.dbt("run", "--full-refresh", "--select", *_MODELS)

    joined = _entities(lake)
    assert len(set(joined.values())) == 1
    retired = ({before["1"], before["2"]} - {joined["1"]}).pop()
    assert _remap(lake)[retired] == joined["1"]
    told = lake.rows("semantic.entity_changes")
    last = max(one["_built_at"] for one in told)  # the id that is retired may have been left by others before
    now = [one["to_entity_id"] for one in told if (one["from_entity_id"], one["_built_at"]) == (retired, last)]
    assert now == [joined["1"]]


def test_contacts_that_hubspot_merged_are_one_customer_as_long_as_the_merged_one_lives(lake: Lake) -> None:
    mailbox = {"source": "hubspot", "source_id": "p:8", "email": _MAILBOX["email"]}
    named = {**_NAMED, "source": "hubspot", "source_id": "p:5"}
    stage(lake.catalog, _people(_MAILBOX, mailbox, named))
    lake.dbt("run", "--select", *_MODELS)
    before = _entities(lake)
    assert before["1"] == before["p:8"] != before["p:5"]

    stage(lake.catalog, _people(mailbox), replace=True, merged_into="5")
    lake.dbt("run", "--select", *_MODELS)
    joined = _entities(lake)
    assert len(set(joined.values())) == 1
    merged = [row["source_id"] for row in lake.rows("semantic.entity_index") if row["is_merged_away"]]
    assert merged == ["p:8"]
    (customer,) = lake.rows("marts.customer_360")
    assert (customer["record_count"], customer["hubspot_record_count"]) == (2, 1)
    links = query(lake.catalog, "select key_low, key_high from semantic.er_edges where kind = 'merge'").to_pylist()
    assert links == [{"key_low": "hubspot:p:5", "key_high": "hubspot:p:8"}]
    found = _matches(lake)
    assert found["p:5"] == found["p:8"] == ("decided", False)
    causes = {one["cause_key_low"] for one in lake.rows("semantic.entity_changes")}
    assert causes == {None}, "a merge was put down to the evidence"
    lake.dbt("test", "--select", "assert_each_living_record_is_in_exactly_one_entity")

    stage(lake.catalog, _people(named), replace=True, deleted=True)
    lake.dbt("run", "--select", *_MODELS)
    assert _entities(lake).keys() == {"1"}
    kept = {row["record_key"] for row in lake.rows("semantic.er_source_records") if row["email"] or row["phone"]}
    assert kept == {"shopify:1"}


def _check_what_is_told(lake: Lake, retired: str, kept: str) -> None:
    """That one record moved and because of which link, what holds the entity together, and why each record is in it."""
    (moved,) = query(lake.catalog, "select * from semantic.entity_changes").to_pylist()
    assert (moved["from_entity_id"], moved["to_entity_id"]) == (retired, kept)
    assert {moved["cause_key_low"], moved["cause_key_high"]} == {moved["record_key"], "stripe:cus_3"}
    edges = query(lake.catalog, "select * from semantic.er_edges order by key_low").to_pylist()
    assert [(one["key_low"], one["key_high"]) for one in edges] == [
        ("shopify:1", "stripe:cus_3"),
        ("shopify:2", "stripe:cus_3"),
    ]
    assert {(one["entity_id"], one["kind"]) for one in edges} == {(kept, "evidence")}
    current = query(lake.catalog, "select * from semantic.entity_id_current").to_pylist()
    assert {(one["entity_id"], one["current_entity_id"], one["state"]) for one in current} == {
        (kept, kept, "living"),
        (retired, kept, "merged"),
    }
    told = query(lake.catalog, "select * from semantic.entity_match_explanation").to_pylist()
    matches = {one["record_key"]: (one["email_match"], one["phone_match"], one["first_name_match"]) for one in told}
    assert matches["shopify:1"] == ("equal", None, None)
    assert matches["shopify:2"] == (None, "equal", "equal")
    versions = lake.settings.home_dir / "warehouse/semantic/er_edges/metadata"
    assert len(list(versions.glob("*.json"))) == 1, "a view was replaced though its text is the same"
    for view in ("entity_id_current", "er_edges", "entity_match_explanation", "er_block_stats", "er_hub_values"):
        in_spark = [row.asDict() for row in lake.spark.table(f"semantic.{view}").collect()]
        in_python = query(lake.catalog, f"select * from semantic.{view}").to_pylist()
        assert sorted(map(repr, in_python)) == sorted(map(repr, in_spark)), view


def _people(*rows: dict[str, str]) -> pa.Table:
    empty = dict.fromkeys(SCHEMA.names)
    return pa.Table.from_pylist([{**empty, **row, "person_id": 1} for row in rows], schema=SCHEMA)


def _buy(lake: Lake, totals: dict[str, str]) -> None:
    """One order of each Shopify customer."""
    table = lake.catalog.load_table("staging.stg_shopify_orders")
    now = datetime.now(UTC)
    order: dict[str, Any] = {"currency": "EUR", "is_live": True, "is_deleted": False, "is_cancelled": False}
    order |= {"created_at": now, "_staged_at": now, "_loaded_at": now}
    rows = [
        {**order, "order_id": f"order-{customer}", "customer_id": customer, "total_amount": Decimal(total)}
        for customer, total in totals.items()
    ]
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


def _entities(lake: Lake) -> dict[str, str]:
    return {row["source_id"]: row["entity_id"] for row in lake.rows("semantic.entity_index")}


def _matches(lake: Lake) -> dict[str, tuple[str, bool]]:
    """By record its tier, and whether it is its entity's golden source; all with the version of the present weights."""
    rows = lake.rows("semantic.entity_index")
    weights = (PROJECT_ROOT / "seeds/er_weights.csv").read_text(encoding="utf-8").strip()
    versions = {row["model_version"] for row in [*rows, *lake.rows("semantic.er_candidate_edges")]}
    assert versions == {sha256(weights.encode()).hexdigest()[:12]}
    return {row["source_id"]: (row["match_tier"], row["is_golden_source"]) for row in rows}


def _moves(lake: Lake) -> tuple[int, int]:
    """Entities that the latest statistics say were merged and split; they count each record's tier once."""
    rows = [row for row in lake.rows("semantic.entity_resolution_stats") if row["source"] == "all"]
    latest = max(rows, key=lambda row: row["run_started_at"])
    counted = (part.rpartition(": ")[2] for part in latest["match_tiers"].split(", "))
    assert sum(map(int, counted)) == latest["record_count"]
    return latest["merged_entity_count"], latest["split_entity_count"]


def _sales(lake: Lake) -> dict[str, tuple[int, Decimal]]:
    """Orders and their sum by entity, which both tables of customers must tell alike."""
    metrics = lake.rows("analytics.customer_metrics")
    customers = lake.rows("marts.customer_360")
    found = {row["entity_id"]: (row["order_count"], row["gross_sales_amount"]) for row in metrics}
    assert {row["entity_id"]: (row["order_count"], row["gross_sales_amount"]) for row in customers} == found
    return found


def _remap(lake: Lake) -> dict[str, str]:
    return {row["old_entity_id"]: row["new_entity_id"] for row in lake.rows("semantic.entity_id_remap")}
