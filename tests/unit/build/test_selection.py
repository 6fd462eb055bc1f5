"""What new input builds: of the list of copies each model of a database counts the copies of its own table."""

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.build.checksum import node_checksum
from ingestion.build.dbt import Dbt
from ingestion.build.selection import Graph
from ingestion.build.state import Built
from ingestion.bulk.declared import ensure_declared
from ingestion.bulk.state import RUNS, RUNS_COLUMNS
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import LOADED_AT, RUN_ID, ensure_table
from ingestion.settings import Settings

USERS = "model.frazil.stg_shop_users"


@pytest.fixture
def graph(settings: Settings, catalog: Catalog) -> Graph:
    """The project, with the shop's raw tables and the list of copies, both empty."""
    ensure_declared(catalog)
    return Graph(Dbt(settings).manifest, catalog, {})


def tell(catalog: Catalog, table_name: str) -> int:
    """List a copy of a raw table; the list's snapshot."""
    row = pa.Table.from_pylist([{"table_name": table_name}], schema=pa.schema(list(RUNS_COLUMNS)[:-2]))
    return AppendTable(catalog, RUNS).append(row, table_name, {}).snapshot_id


def built(graph: Graph, catalog: Catalog) -> dict[str, Built]:
    """The shop's staging models, as if built from what there is now."""
    nodes = [node for node in graph.nodes if graph.table(node).startswith("staging.stg_shop_")]
    for node in nodes:
        ensure_table(catalog, graph.table(node), pa.schema([pa.field("id", pa.string()), LOADED_AT, RUN_ID]))
        AppendTable(catalog, graph.table(node)).append(pa.table({"id": ["1"]}), "build", {})
    before = graph.snapshots()
    return {node: Built(graph.checksums[node], graph.read_by(node, "", before)) for node in nodes}


def test_a_copy_of_one_table_builds_the_models_of_no_other(graph: Graph, catalog: Catalog) -> None:
    tell(catalog, "raw.shop_orders")
    state = built(graph, catalog)
    unchanged = graph.select(state, graph.snapshots(), everything=False)
    tell(catalog, "raw.shop_users")

    chosen = graph.select(state, graph.snapshots(), everything=False)

    assert len(state) == 7
    assert set(state).isdisjoint(unchanged.build)
    assert set(state).intersection(chosen.build) == {USERS}


def test_a_copy_told_of_after_the_list_was_pinned_is_still_to_be_built(graph: Graph, catalog: Catalog) -> None:
    pinned = tell(catalog, "raw.shop_users")
    state = built(graph, catalog)
    tell(catalog, "raw.shop_users")
    compiled = f"-- copies: {RUNS} version as of {pinned} /* pinned 2026-01-05 08:00:00.000000 UTC */"

    state[USERS] = Built(graph.checksums[USERS], graph.read_by(USERS, compiled, graph.snapshots()))

    assert USERS in graph.select(state, graph.snapshots(), everything=False).build


def test_a_decision_about_two_records_rebuilds_nothing(settings: Settings) -> None:
    manifest = Dbt(settings).manifest
    index, seeds = "model.frazil.entity_index", ("er_steward_overrides", "er_tiers")
    before = node_checksum(manifest, index, {})

    changed = {}
    for seed in seeds:
        checksum = manifest.nodes[f"seed.frazil.{seed}"].checksum
        told, checksum.checksum = checksum.checksum, "another"
        changed[seed] = node_checksum(manifest, index, {}) != before
        checksum.checksum = told

    assert changed == {"er_steward_overrides": False, "er_tiers": True}


def test_another_macro_is_another_code_of_the_nodes_that_reach_it(settings: Settings) -> None:
    manifest = Dbt(settings).manifest
    reached = [
        ("model.frazil.blocking_index", "stored_blocks"),  # called in builds that add to the table
        ("model.frazil.er_candidate_edges", "spark__commits_of"),  # by a macro that is called in such builds
        ("snapshot.frazil.shop_users_history", "spark__snapshot_merge_sql"),  # by dbt's own materialization
        ("seed.frazil.er_tiers", "spark__load_csv_rows"),
    ]
    before = [node_checksum(manifest, node, {}) for node, _ in reached]

    for _, macro in reached:
        manifest.macros[f"macro.frazil.{macro}"].macro_sql += " "

    after = [node_checksum(manifest, node, {}) for node, _ in reached]
    assert not set(before) & set(after)
