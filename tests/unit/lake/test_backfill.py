"""Which models a backfill of some days builds anew: those that read a raw table with rows of these days."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt
from ingestion.build.selection import Graph
from ingestion.build.state import Built, load_state, save_state
from ingestion.errors import UsageError
from ingestion.lake.maintenance.backfill import ask_to_rebuild, loaded_between
from ingestion.lake.sink import drain
from ingestion.settings import Settings
from tests.support.project import small_copy_of_the_project
from tests.unit.lake.deliveries import journalled, order

ORDERS, CHARGES = "model.frazil.stg_shopify_orders", "model.frazil.stg_stripe_charges"
DAY = timedelta(days=1)


@pytest.fixture
def graph(settings: Settings, catalog: Catalog, tmp_path: Path) -> Graph:
    """Orders came today; all models were built, as their record says."""
    journalled(settings, [order(1), order(2)])
    drain(settings)
    dbt = Dbt(settings, project_dir=small_copy_of_the_project(tmp_path / "project"))
    found = Graph(dbt.manifest, catalog, dbt.variables)
    save_state(catalog, {node: Built(found.checksums[node], {}) for node in found.nodes})
    return found


@pytest.fixture
def today(catalog: Catalog, graph: Graph) -> date:
    """The day on which they came, which may be over by now."""
    moment = catalog.load_table("raw.shopify_orders").scan().to_arrow()["_loaded_at"][0].as_py()
    day: date = moment.date()
    return day


def test_the_days_choose_the_models_and_the_next_run_builds_them_anew(
    catalog: Catalog, graph: Graph, today: date
) -> None:
    raw = loaded_between(catalog, graph, today - DAY, today)
    asked = ask_to_rebuild(catalog, graph, raw)
    chosen = graph.select(load_state(catalog), graph.snapshots(), everything=False)

    assert raw == ["raw.shopify_orders"]
    assert asked == ["staging.stg_shopify_orders"]
    assert chosen.rebuild == [ORDERS]
    assert chosen.reasons[ORDERS] == "it was asked to be built anew"
    assert load_state(catalog)[CHARGES].checksum == graph.checksums[CHARGES]


def test_other_days_and_sources_ask_for_nothing(catalog: Catalog, graph: Graph, today: date) -> None:
    before = load_state(catalog)

    assert loaded_between(catalog, graph, date(2020, 1, 1), today - 2 * DAY) == []
    assert loaded_between(catalog, graph, today, today, "stripe") == []
    assert loaded_between(catalog, graph, today, today, "shopify") == ["raw.shopify_orders"]
    assert ask_to_rebuild(catalog, graph, []) == []
    assert load_state(catalog) == before


def test_days_in_the_wrong_order_and_strange_sources_are_named(catalog: Catalog, graph: Graph, today: date) -> None:
    with pytest.raises(UsageError, match="lies before"):
        loaded_between(catalog, graph, today, today - DAY)
    with pytest.raises(UsageError, match="no model reads a raw table of nobody"):
        loaded_between(catalog, graph, today, today, "nobody")
