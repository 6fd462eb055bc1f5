"""A build by somebody else's dbt: leased, with changed models named, recorded."""

import json
import os
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt, NodeResult
from ingestion.build.lease import build_lease
from ingestion.build.selection import Graph
from ingestion.build.state import Built, load_state, save_state
from ingestion.build.watched import WatchedBuild, read_results
from ingestion.errors import RetryableError
from ingestion.settings import Settings

SUMMARY = "model.frazil.order_summary"
METRICS = "model.frazil.payment_metrics"


@pytest.fixture
def graph(settings: Settings, catalog: Catalog) -> Graph:
    dbt = Dbt(settings)
    return Graph(dbt.manifest, catalog, dbt.variables)


def test_a_watched_build_holds_the_lease_until_its_end(settings: Settings, catalog: Catalog) -> None:
    build = WatchedBuild(settings)
    build.begin(0)

    with pytest.raises(RetryableError), build_lease(settings.home_dir):
        pass
    build.end([], "run")
    with build_lease(settings.home_dir):
        pass


def test_it_gives_up_when_the_lease_is_held_for_too_long(settings: Settings) -> None:
    with build_lease(settings.home_dir), pytest.raises(RetryableError, match="is being built"):
        WatchedBuild(settings).begin(0.1)


def test_a_catalog_that_is_away_is_told_in_one_line_and_the_lease_can_be_given_back(settings: Settings) -> None:
    catalog = settings.home_dir / "catalog.db"
    catalog.mkdir()
    build = WatchedBuild(settings)

    with pytest.raises(RetryableError, match=r"^the lake's catalog .* cannot be opened") as raised:
        build.begin(0)
    build.give_up()

    assert "\n" not in str(raised.value)
    catalog.rmdir()
    again = WatchedBuild(settings)
    again.begin(0)
    again.give_up()


def test_changed_models_are_rebuilt_and_tried_ones_are_not_unit_tested_again(
    settings: Settings, catalog: Catalog, graph: Graph
) -> None:
    state = {node: Built(checksum, {}) for node, checksum in graph.checksums.items()}
    save_state(catalog, state | {SUMMARY: Built("other code", {})})
    build = WatchedBuild(settings)

    due = build.begin(0)
    told = os.environ["FRAZIL_REBUILD"]
    build.give_up()

    assert due.rebuilt == ["order_summary"]
    assert told == "order_summary"
    assert set(graph.unit_tests({METRICS})) <= set(due.tried)
    assert not set(graph.unit_tests({SUMMARY})) & set(due.tried)


def test_what_was_good_and_what_failed_is_recorded_and_the_rest_stays(
    settings: Settings, catalog: Catalog, graph: Graph
) -> None:
    save_state(catalog, {node: Built("old", {}) for node in graph.checksums})
    build = WatchedBuild(settings)
    build.begin(0)

    build.end([NodeResult(METRICS, "success", 1, "", ""), NodeResult(SUMMARY, "error", 1, "no", "")], "run")

    state = load_state(catalog)
    assert state[METRICS] == Built(graph.checksums[METRICS], state[METRICS].parents, is_good=True)
    assert (state[SUMMARY].checksum, state[SUMMARY].is_good) == ("old", False)
    assert state["model.frazil.customer_360"] == Built("old", {})


def test_results_are_read_as_dbt_writes_them_and_none_are_no_error(tmp_path: Path) -> None:
    one = {"unique_id": SUMMARY, "status": "error", "execution_time": 0.5, "message": None, "compiled_code": "select 1"}
    (tmp_path / "run_results.json").write_text(json.dumps({"results": [one]}), encoding="utf-8")

    assert read_results(tmp_path / "run_results.json") == [NodeResult(SUMMARY, "error", 0.5, "", "select 1")]
    assert read_results(tmp_path / "none.json") == []


def test_a_skipped_test_does_not_spoil_the_other_tables_it_reads(
    settings: Settings, catalog: Catalog, graph: Graph
) -> None:
    test = next(name for name, read in graph.data_tests().items() if METRICS in read and len(read) > 1)
    build = WatchedBuild(settings)
    build.begin(0)

    build.end([NodeResult(METRICS, "success", 1, "", ""), NodeResult(test, "skipped", 0, "", "")], "run")

    assert load_state(catalog)[METRICS].is_good
