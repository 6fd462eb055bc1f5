"""Lookups and columns that are read at once give what they give when they are read one after the other."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.webhooks.events import inspect, split
from ingestion.webhooks.generator.orders import placed_order
from ingestion.webhooks.generator.shopify_orders import order_request
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.lookup import Lookups
from ingestion.webhooks.objects import ObjectColumns
from ingestion.webhooks.places import parse_places
from ingestion.webhooks.sources import SourceConfig

Sources = dict[str, SourceConfig]
ORDERS = [order_request("orders/updated", placed_order(1, number)) for number in range(5)]
KEYS = sorted(json.loads(ORDERS[0].body))
VALUES = st.one_of(
    st.sampled_from(["null", "{}", "[]", "true", "0", "-0", "1.0", "1e3", "9" * 30, "x", '""', '"a"', '"4.5"', '"1"']),
    st.sampled_from(['"\\u00e9"', '"\\ud800"', '"x\\ny"', '"2026-01-01T00:00:00Z"', '"2026-01-01"']),
    st.sampled_from(['{"id":5}', '{"id":null}', '{"id":{}}']),
    st.text(max_size=8).map(json.dumps),
)
CHANGES = st.lists(st.tuples(st.sampled_from([*KEYS, "customer", "updated_at", "shop_id"]), VALUES), max_size=3)


def delivery(headers: dict[str, str], body: bytes, reason: str | None) -> Delivery:
    return Delivery("shopify", b"d" * 16, 1_700_000_000_000_000, json.dumps(headers).encode(), body, reason)


@settings(max_examples=500, deadline=None)
@given(
    order=st.sampled_from(ORDERS),
    topic=st.sampled_from(["orders/create", "orders/updated", "orders/delete", "customers/update", "refunds/create"]),
    kept=st.sets(st.sampled_from(KEYS)),
    changes=CHANGES,
    tail=st.sampled_from([b"", b" ", b"x", b"\xff"]),
)
@example(ORDERS[0], "orders/create", set(KEYS), [("customer", '"a"'), ("customer", '{"id":1}')], b"")
@example(ORDERS[0], "orders/create", set(KEYS), [("customer", "null")], b"")
def test_an_order_gives_the_same_row_or_reason_both_ways(
    sources: Sources, order: Any, topic: str, kept: set[str], changes: list[tuple[str, str]], tail: bytes
) -> None:
    fields = [(key, json.dumps(value)) for key, value in json.loads(order.body).items() if key in kept]
    fields += changes  # behind the field of the same name, if that is kept: such a key comes twice
    body = "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in fields) + "}"
    headers = {**order.headers, "x-shopify-topic": topic}
    raw = body.encode() + tail
    judged = inspect(sources["shopify"], headers, raw)

    at_once = split(sources["shopify"], delivery(headers, raw, judged.reason))

    assert at_once == split(sources["shopify"], delivery(headers, raw, "read it with care"))


@pytest.mark.parametrize("name", ["orders", "customers", "refunds", "compliance"])
def test_bodies_whose_topic_is_in_a_header_are_read_in_one_pass(sources: Sources, name: str) -> None:
    source = sources["shopify"]
    lookups = Lookups(source.data_path)
    lookups.text(parse_places("customer.id|shop_id"))
    key = lookups.text(parse_places("id"))
    body = ORDERS[0].body if name == "orders" else b'{"id":5,"shop_id":7}'

    found = ObjectColumns(source, source.objects[name], lookups.paths()).read_with_lookups(body)

    assert found is not None
    values, row = found
    assert key({}, values) == str(json.loads(body)["id"])
    assert tuple(row) == ObjectColumns(source, source.objects[name], []).read(body, "t", name)


def test_a_lookup_in_the_parts_of_a_text_column_is_read_by_itself(sources: Sources) -> None:
    source = sources["shopify"]

    columns = ObjectColumns(source, source.objects["orders"], [("email", "domain")])

    assert columns.read_with_lookups(ORDERS[0].body) is None
