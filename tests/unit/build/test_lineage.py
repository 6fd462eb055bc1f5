"""Lineage: which columns a model's columns come from, and events that say so."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from dbt.contracts.graph.manifest import Manifest
from openlineage.client.serde import Serde
from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt, NodeResult
from ingestion.build.lineage.cache import LineageCache
from ingestion.build.lineage.columns import column_lineage
from ingestion.build.lineage.events import Lineage, client, emit
from ingestion.lake.sink import ensure_tables
from ingestion.settings import Settings
from ingestion.webhooks.sources import load_sources

TABLES = {
    "staging.orders": {"order_id": "string", "amount": "decimal(18,2)", "placed_at": "timestamp", "_op": "string"},
    "staging.customers": {"customer_id": "string", "full_name": "string", "order_id": "string"},
}
SQL = """
with

orders as (

    select * from staging.orders version as of 4735832955492828798 /* pinned 2026-11-21 13:59:05.336000 UTC */
    where _op <> 'd'

),

summed as (

    select order_id, sum(amount) as total_amount, max(placed_at) as last_at from orders group by order_id

)

select
    people.full_name,
    summed.total_amount,
    coalesce(summed.order_id, people.order_id) as order_id,
    timestamp '2026-11-21 13:59:00 UTC' as _built_at
from summed
left join staging.customers as people on summed.order_id = people.order_id
"""


def test_columns_are_followed_through_ctes_stars_joins_and_pins() -> None:
    found = column_lineage(SQL, TABLES, "spark")

    assert found == {
        "full_name": [("staging.customers", "full_name")],
        "total_amount": [("staging.orders", "amount")],
        "order_id": [("staging.customers", "order_id"), ("staging.orders", "order_id")],
        "_built_at": [],
    }


def test_both_engines_sql_gives_the_same_lineage() -> None:
    trino = SQL.replace("version as of", "for version as of")

    assert column_lineage(trino, TABLES, "trino") == column_lineage(SQL, TABLES, "spark")


def test_rows_read_between_two_snapshots_are_followed_as_those_of_a_table(tmp_path: Path) -> None:
    pinned = "version as of 4735832955492828798"
    between = SQL.replace(pinned, "with (`start-snapshot-id` = '1', `end-snapshot-id` = '2')")

    found = LineageCache(tmp_path / "columns.json").columns(between, TABLES, "spark")

    assert found == column_lineage(SQL, TABLES, "spark")


def test_sql_that_cannot_be_read_has_no_lineage() -> None:
    assert column_lineage("select from where (", TABLES, "spark") is None


def test_only_sql_that_says_something_new_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = LineageCache(tmp_path / "columns.json")
    found = first.columns(SQL, TABLES, "spark")
    first.save()
    later = SQL.replace("4735832955492828798", "77").replace("13:59", "14:03")
    second = LineageCache(tmp_path / "columns.json")
    monkeypatch.setattr("ingestion.build.lineage.cache.column_lineage", lambda *_: pytest.fail("it was read again"))

    again = second.columns(later, TABLES, "spark")

    assert json.dumps(again) == json.dumps(found)


@pytest.fixture
def raw(settings: Settings, catalog: Catalog) -> Catalog:
    ensure_tables(catalog, load_sources(settings.config_dir))
    return catalog


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return Dbt(Settings(home=tmp_path_factory.mktemp("home"))).manifest


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of an HTTP server, and the documents that are posted to its /api/v1/lineage."""
    posted: list[dict[str, Any]] = []

    class Lineages(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/v1/lineage":
                posted.append(json.loads(body))
            self.send_response(201)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Lineages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", posted
        finally:
            server.shutdown()
            thread.join()


ORDERS = NodeResult(
    "model.frazil.stg_shopify_orders", "success", 1.0, "", "select id as order_id from raw.shopify_orders"
)


def test_a_receiver_over_http_gets_each_event(
    settings: Settings,
    raw: Catalog,
    manifest: Manifest,
    receiver: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, posted = receiver
    monkeypatch.setenv("OPENLINEAGE_URL", address)

    told = emit(settings, manifest, raw, [ORDERS], "run-1")

    assert told == len(posted) == 1
    assert posted[0]["outputs"][0]["name"] == "staging.stg_shopify_orders"
    assert not (settings.home_dir / "lineage" / "events.jsonl").exists()


def test_the_console_gets_each_event(
    settings: Settings,
    raw: Catalog,
    manifest: Manifest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "console")
    caplog.set_level(logging.INFO, "openlineage.client.transport.console")

    emit(settings, manifest, raw, [ORDERS], "run-1")

    assert '"name": "staging.stg_shopify_orders"' in caplog.text


def test_a_build_by_trino_is_read_in_trinos_words(
    settings: Settings, raw: Catalog, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.create_table("staging.stg_shopify_orders", pa.schema([pa.field("order_id", pa.string())]))
    snapshot = 4735832955492828798
    sql = f"select json_value(id, 'lax $') as order_id from raw.shopify_orders for version as of {snapshot}"
    monkeypatch.setattr(manifest.metadata, "adapter_type", "trino")
    result = NodeResult("model.frazil.stg_shopify_orders", "success", 1.0, "", sql)

    (event,) = Lineage(manifest, raw, LineageCache(settings.home_dir / "c.json")).events(
        [result], "r", datetime.now(UTC)
    )

    document = json.loads(Serde.to_json(event))
    columns = document["outputs"][0]["facets"]["columnLineage"]["fields"]
    origins = [(one["name"], one["field"]) for one in columns["order_id"]["inputFields"]]
    assert document["job"]["facets"]["sql"]["dialect"] == "trino"
    assert origins == [("raw.shopify_orders", "id")]


def test_each_table_has_one_event_with_inputs_columns_and_its_error(
    settings: Settings, raw: Catalog, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    results = [
        NodeResult(
            "model.frazil.stg_shopify_orders", "success", 1.0, "", "select id as order_id from raw.shopify_orders"
        ),
        NodeResult("model.frazil.order_summary", "error", 1.0, "no such column", ""),
        NodeResult("model.frazil.customer_360", "skipped", 0.0, "", ""),
        NodeResult("test.frazil.not_null_stg_shopify_orders_order_id.1", "pass", 0.1, "", ""),
    ]

    told = emit(settings, manifest, raw, results, "run-1")

    lines = (settings.home_dir / "lineage" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    orders, summary = (json.loads(line) for line in lines)
    assert told == 2
    assert (orders["eventType"], orders["job"]["name"]) == ("COMPLETE", "staging.stg_shopify_orders")
    assert {"raw.shopify_orders"} <= {one["name"] for one in orders["inputs"]}
    assert {"name": "id", "type": "string"}.items() <= orders["inputs"][0]["facets"]["schema"]["fields"][0].items()
    assert (summary["eventType"], summary["run"]["facets"]["errorMessage"]["message"]) == ("FAIL", "no such column")
    assert orders["run"]["facets"]["parent"]["run"]["runId"] == summary["run"]["facets"]["parent"]["run"]["runId"]


def test_a_receiver_that_does_not_answer_fails_no_build(
    settings: Settings, raw: Catalog, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")

    told = emit(settings, manifest, raw, [NodeResult("model.frazil.order_summary", "success", 1, "", "")], "r")

    assert told == 0


def test_the_clients_own_variables_say_where_events_go(
    settings: Settings, raw: Catalog, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings.home_dir / "elsewhere.jsonl"
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(file))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    cache = LineageCache(settings.home_dir / "columns.json")
    results = [NodeResult("model.frazil.order_summary", "success", 1.0, "", "")]
    (event,) = Lineage(manifest, raw, cache).events(results, "run", datetime.now(UTC))

    client(settings).emit(event)

    assert json.loads(file.read_text(encoding="utf-8"))["job"]["name"] == "analytics.order_summary"
