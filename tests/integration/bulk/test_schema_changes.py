"""Changes of a source's columns: recorded and told before they are written, and kept out where a contract says so."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ingestion.bulk.downstream import downstream_of
from tests.integration.bulk.lab import Lab


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server on loopback that keeps what it is sent: its address in apprise's words, and the messages."""
    messages: list[dict[str, Any]] = []

    class Inbox(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Inbox)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}", messages
    server.shutdown()
    thread.join()
    server.server_close()


def changes(lab: Lab) -> list[dict[str, Any]]:
    rows = lab.catalog.load_table("metadata.schema_changes").scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["schema_version"], row["change_type"]))


def test_the_first_load_records_a_baseline_and_later_ones_what_differs(
    pg: Lab, inbox: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, messages = inbox
    monkeypatch.setenv("LAB_ADDRESS", address)
    pg.configure(notifications=["${LAB_ADDRESS}"])
    pg.orders(20)
    pg.load()
    before = pg.catalog.load_table("raw.lab_orders").metadata.current_snapshot_id
    pg.sql(
        "alter table orders add column colour text default 'blue'",
        "alter table orders drop column note",
        "alter table orders alter column qty type bigint",
    )

    first = list(messages)
    outcome = pg.load(is_resumed=False)["orders"]
    again = pg.load(is_resumed=False)["orders"]

    found = changes(pg)
    assert (outcome.status, again.status) == ("loaded", "loaded"), outcome.error
    assert [(row["schema_version"], row["change_type"], row["column_name"]) for row in found] == [
        (1, "baseline", None),
        (2, "column_added", "colour"),
        (2, "column_removed", "note"),
        (2, "type_changed", "qty"),
    ]
    assert {row["snapshot_id"] for row in found[1:]} == {before}
    assert [row["notification_sent"] for row in found] == [False, True, True, True]
    assert first == []
    assert len(messages) == 1
    assert "colour" in messages[0]["message"]
    stored = pg.catalog.load_table("raw.lab_orders")
    assert stored.properties["frazil.schema-version"] == "2"
    assert str(stored.schema().find_type("qty")) == "long"
    pg.assert_equal_to_source("orders", "id", "amount", "qty", "colour")


def test_a_frozen_table_fails_by_name_and_takes_no_row(pg: Lab) -> None:
    pg.orders(20)
    pg.configure(contract="freeze")
    pg.load()
    pg.sql("alter table orders add column colour text")

    outcome = pg.load(is_resumed=False)["orders"]
    pg.load(is_resumed=False)

    assert outcome.status == "failed"
    assert "frozen" in (outcome.error or "")
    assert "column colour (text) added" in (outcome.error or "")
    assert pg.rows("orders").num_rows == pg.catalog.load_table("raw.lab_orders").scan().count() == 20
    assert "colour" not in pg.catalog.load_table("raw.lab_orders").schema().column_names
    assert [row["change_type"] for row in changes(pg)] == ["baseline", "column_added"]


def test_values_of_new_columns_are_left_out_where_the_contract_says_so(pg: Lab) -> None:
    pg.orders(20)
    pg.configure(tables={"orders": {"contract": "discard_value"}})
    pg.load()
    pg.sql("alter table orders add column colour text default 'blue'")

    outcome = pg.load(is_resumed=False)["orders"]

    assert outcome.status == "loaded", outcome.error
    assert "colour" not in pg.rows("orders").column_names
    pg.assert_equal_to_source("orders", "id", "note", "amount", "qty")
    assert all(one.is_equal for one in pg.checked())


def test_rows_with_values_in_new_columns_go_to_the_quarantine_where_the_contract_says_so(lab: Lab) -> None:
    lab.orders(2000)
    lab.configure(contract="discard_row")
    lab.load()
    lab.sql("alter table orders add column colour varchar(10)", "alter table orders add column size integer")
    lab.sql("update orders set colour = 'blue' where id = 7", "update orders set size = 0 where id in (7, 1999)")

    outcome = lab.load(is_resumed=False)["orders"]
    again = lab.load(is_resumed=False)["orders"]

    assert (outcome.status, outcome.rows, outcome.discarded) == ("loaded", 1998, 2), outcome.error
    assert (again.rows, again.discarded) == (1998, 2)
    assert {"colour", "size"}.isdisjoint(lab.rows("orders").column_names)
    assert {7, 1999}.isdisjoint(lab.rows("orders")["id"].to_pylist())
    kept = lab.catalog.load_table("metadata.quarantine").scan().to_arrow().to_pylist()
    bodies = sorted((json.loads(row["body"]) for row in kept), key=lambda body: body["id"])
    assert [(body["id"], body["colour"], body["size"]) for body in bodies] == [(7, "blue", 0), (1999, None, 0)]
    assert {(row["source"], row["object"], row["reason"]) for row in kept} == {("lab", "orders", "contract")}
    checked = lab.checked() + lab.checked(is_now=True)
    assert [one for one in checked if not one.is_equal] == []


def test_a_changed_type_is_no_matter_of_single_rows(pg: Lab) -> None:
    pg.orders(20)
    pg.configure(contract="discard_row")
    pg.load()
    pg.sql("alter table orders alter column qty type bigint")

    outcome = pg.load(is_resumed=False)["orders"]

    assert (outcome.status, outcome.is_contract_broken) == ("failed", True)
    assert "choose discard_value or evolve" in (outcome.error or "")


def test_a_type_that_cannot_be_widened_fails_by_name(pg: Lab) -> None:
    pg.orders(20)
    pg.load()
    pg.sql("alter table orders alter column qty type text")

    outcome = pg.load(is_resumed=False)["orders"]

    assert outcome.status == "failed"
    assert "raw.lab_orders.qty is int in the lake and string in the source now" in (outcome.error or "")
    assert pg.rows("orders").num_rows == 20


def test_who_reads_a_raw_table_is_taken_from_dbts_manifest(tmp_path: Path) -> None:
    document = {
        "sources": {"source.frazil.raw.shop_orders": {"schema": "raw", "identifier": "shop_orders"}},
        "child_map": {
            "source.frazil.raw.shop_orders": ["model.frazil.stg_shop_orders", "test.frazil.unique"],
            "model.frazil.stg_shop_orders": ["exposure.frazil.sales"],
        },
    }
    (tmp_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")

    assert downstream_of(tmp_path / "manifest.json", "raw.shop_orders") == ["sales", "stg_shop_orders"]
    assert downstream_of(tmp_path / "missing.json", "raw.shop_orders") == []
