"""From body to rows: exact values, stable identities, one order, a reason for everything that does not fit."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from ingestion.webhooks.events import RawRow, Rejected, inspect, raw_schema, split
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.sources import SourceConfig

Sources = dict[str, SourceConfig]
Split = Callable[..., list[RawRow | Rejected]]
ORDER_HEADERS = {
    "x-shopify-topic": "orders/updated",
    "x-shopify-shop-domain": "a.myshopify.com",
    "x-shopify-webhook-id": "w-1",
    "x-shopify-triggered-at": "2026-01-02T00:00:00.123456789Z",
}
ORDER = b'{"id":820982911946154508,"updated_at":"2026-01-01T10:00:00-05:00","total_price":"403.00"}'
CHANGE = {
    "eventId": 7,
    "subscriptionId": 1,
    "portalId": 62515,
    "occurredAt": 1564113600000,
    "subscriptionType": "contact.propertyChange",
    "attemptNumber": 0,
    "objectId": 123,
    "propertyName": "email",
    "propertyValue": "a@b.c",
}


@pytest.fixture
def events(sources: Sources) -> Split:
    def run(source: str, body: bytes | Any, headers: dict[str, str] | None = None) -> list[RawRow | Rejected]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        delivery = Delivery(source, b"d" * 16, 1_700_000_000_000_000, json.dumps(headers or {}).encode(), raw, None)
        return split(sources[source], delivery)

    return run


def columns(sources: Sources, row: RawRow | Rejected) -> dict[str, Any]:
    assert isinstance(row, RawRow), row
    source, name = row.table.split("_", 1)
    return dict(zip(raw_schema(sources[source], name).names[:-2], row.values, strict=True))


def event_id(sources: Sources, result: RawRow | Rejected) -> str:
    return result.event_id if isinstance(result, Rejected) else str(columns(sources, result)["_event_id"])


def reason(results: list[RawRow | Rejected]) -> str:
    (only,) = results
    assert isinstance(only, Rejected), only
    return only.reason


def test_an_order_keeps_its_id_its_money_and_its_body_exactly(sources: Sources, events: Split) -> None:
    row = columns(sources, events("shopify", ORDER, ORDER_HEADERS)[0])

    assert row["id"] == "820982911946154508"
    assert row["total_price"] == "403.00"
    assert row["updated_at"] == 1767279600_000000
    assert row["_payload"] == ORDER
    assert row["_op"] == "u"
    assert row["_account"] == "a.myshopify.com"
    assert row["_source_at"] == 1767312000_123456


def test_rows_fit_their_arrow_schema(sources: Sources) -> None:
    for source in sources.values():
        headers = json.dumps(source.example.headers).encode()
        delivery = Delivery(source.source, b"d" * 16, 1_700_000_000_000_000, headers, source.example.body_bytes, None)

        results = split(source, delivery)

        assert results
        for row in results:
            assert isinstance(row, RawRow)
            schema = raw_schema(source, row.table.split("_", 1)[1])
            arrays = [pa.array([value], field.type) for value, field in zip(row.values, schema, strict=False)]
            assert len(arrays) == len(schema) - 2


def test_the_unprefixed_headers_of_shopify_count_first(sources: Sources, events: Split) -> None:
    row = columns(sources, events("shopify", ORDER, {**ORDER_HEADERS, "shopify-topic": "orders/create"})[0])

    assert (row["_webhook_topic"], row["_op"]) == ("orders/create", "c")


def test_a_body_replayed_under_another_id_topic_and_stamp_keeps_its_position(sources: Sources, events: Split) -> None:
    replay = {"x-shopify-topic": "orders/paid", "x-shopify-webhook-id": "w-2", "x-shopify-shop-domain": "evil"}

    first = columns(sources, events("shopify", ORDER, ORDER_HEADERS)[0])
    again = columns(sources, events("shopify", ORDER, replay)[0])

    assert first["_position"] == again["_position"]
    assert first["_event_id"] != again["_event_id"]


def test_positions_sort_by_update_time_and_have_one_width(sources: Sources, events: Split) -> None:
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", "2026-01-01T01:00:00+00:30", "2030-01-01T00:00:00Z"]

    positions = [
        columns(sources, events("shopify", {"id": 1, "updated_at": time}, ORDER_HEADERS)[0])["_position"]
        for time in times
    ]

    assert positions == sorted(positions)
    assert {len(position) for position in positions} == {20 + 1 + 2 + 1 + 32}


def test_a_delete_with_ids_only_is_final(sources: Sources, events: Split) -> None:
    body = {"id": 5, "admin_graphql_api_id": "gid://x", "phone": None, "addresses": [], "default_address": {}}

    row = columns(sources, events("shopify", body, {**ORDER_HEADERS, "x-shopify-topic": "customers/delete"})[0])

    assert row["_op"] == "d"
    assert row["_position"].startswith("9" * 20)


def test_a_delete_with_content_is_quarantined(events: Split) -> None:
    assert (
        reason(events("shopify", ORDER, {**ORDER_HEADERS, "x-shopify-topic": "orders/delete"})) == "delete_with_content"
    )


@pytest.mark.parametrize("topic", ["customers/update", "refunds/create", "customers/redact", "shop/redact"])
def test_a_signed_body_sent_again_under_another_objects_topic_is_quarantined(events: Split, topic: str) -> None:
    order = {
        "id": 1,
        "admin_graphql_api_id": "gid://shopify/Order/1",
        "updated_at": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z",
        "customer": {"id": 191167, "email": "john@example.com"},
    }

    assert reason(events("shopify", order, {**ORDER_HEADERS, "x-shopify-topic": topic})) == "unknown_topic"


@pytest.mark.parametrize("topic", ["customers/data_request", "customers/redact", "shop/redact"])
def test_compliance_requests_are_rows_with_the_person_or_the_shop(sources: Sources, events: Split, topic: str) -> None:
    body: dict[str, Any] = {"shop_id": 954889, "shop_domain": "a.myshopify.com"}
    if topic != "shop/redact":
        body["customer"] = {"id": 191167, "email": "john@example.com"}

    row = columns(sources, events("shopify", body, {**ORDER_HEADERS, "x-shopify-topic": topic})[0])

    assert row["shop_id"] == "954889"
    assert row["customer_id"] == (None if topic == "shop/redact" else "191167")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not_json"),
        (b"\xef\xbb\xbf" + ORDER, "not_json"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","note":"\xff"}', "not_json"),
        (b'{"id":' + b"[" * 100_000, "not_json"),
        (b"[" + ORDER, "not_json"),
        (b"[]", "wrong_shape"),
        (b"7", "wrong_shape"),
        (b"{}", "no_key"),
        (b'{"id":null}', "no_key"),
        (b'{"id":""}', "no_key"),
        (b'{"id":true}', "no_key"),
        (b'{"id":{"a":1}}', "no_key"),
        (b'{"id":1}', "no_time"),
        (b'{"id":1,"updated_at":"yesterday"}', "bad_time"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00"}', "bad_time"),
        (b'{"id":1,"updated_at":"1912-01-01T00:00:00Z"}', "bad_time"),
        (b'{"id":1,"updated_at":"0001-01-01T00:00:00+14:00"}', "bad_time"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","total_price":"12,50"}', "bad_value:total_price"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","total_price":"NaN"}', "bad_value:total_price"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","total_price":"1' + b"0" * 16 + b'"}', "bad_value:total_price"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","order_number":1.5}', "bad_value:order_number"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","email":["a"]}', "bad_value:email"),
        (b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","test":"no"}', "bad_value:test"),
    ],
)
def test_what_does_not_fit_is_quarantined_with_its_reason_and_its_bytes(
    sources: Sources, events: Split, body: bytes, expected: str
) -> None:
    (rejected,) = events("shopify", body, ORDER_HEADERS)

    assert isinstance(rejected, Rejected)
    assert rejected.reason == expected
    assert rejected.body == body
    door = inspect(sources["shopify"], ORDER_HEADERS, body)
    assert door.reason == (None if expected.startswith("bad_value") else expected)


def test_rarer_forms_of_a_value_are_read_like_the_usual_ones(sources: Sources, events: Split) -> None:
    body = b'{"id":"1","updated_at":"2026-01-01T00:00:00Z","total_price":4.10,"order_number":"12","email":17}'

    row = columns(sources, events("shopify", body, ORDER_HEADERS)[0])

    assert (row["id"], row["total_price"], row["order_number"], row["email"]) == ("1", "4.10", 12, "17")


def test_an_unsubscribed_topic_is_quarantined(events: Split) -> None:
    assert reason(events("shopify", ORDER, {**ORDER_HEADERS, "x-shopify-topic": "products/update"})) == "unknown_topic"
    assert reason(events("shopify", ORDER, {})) == "wrong_shape"


def stripe_event(**changes: Any) -> dict[str, Any]:
    charge = {"id": "ch_1", "object": "charge", "amount": 2000, "customer": "cus_1", "created": 1700000000}
    event = {"id": "evt_1", "type": "charge.succeeded", "created": 1700000000, "data": {"object": charge}}
    return {**event, **changes}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"object": "v2.core.event", "data": None}, "thin_event"),
        ({"object": "v2.core.event", "data": {}}, "thin_event"),
        ({"object": "v2.core.event", "created": "2026-01-01T00:00:00Z"}, "thin_event"),
        ({"data": {"object": {"id": "dp_1", "object": "dispute"}}, "type": "charge.dispute.created"}, "unknown_topic"),
        ({"data": {"object": {"id": "sub_1", "object": "subscription"}}}, "unknown_topic"),
        ({"data": {"object": "ch_1"}}, "wrong_shape"),
        ({"created": "soon"}, "bad_time"),
        ({"created": None}, "no_time"),
    ],
)
def test_stripe_events_that_are_no_snapshot_of_a_declared_object_are_quarantined(
    events: Split, changes: dict[str, Any], expected: str
) -> None:
    assert reason(events("stripe", stripe_event(**changes))) == expected


def test_a_stripe_reference_is_the_id_whether_expanded_or_not(sources: Sources, events: Split) -> None:
    expanded = stripe_event()
    expanded["data"]["object"]["customer"] = {"id": "cus_1", "object": "customer", "email": None}

    plain_row = columns(sources, events("stripe", stripe_event())[0])
    expanded_row = columns(sources, events("stripe", expanded)[0])

    assert plain_row["customer"] == expanded_row["customer"] == "cus_1"


def test_stripe_ties_within_a_second_are_ranked_by_type(sources: Sources, events: Split) -> None:
    order = ["charge.pending", "charge.succeeded", "charge.captured", "charge.updated", "charge.refunded"]

    positions = [columns(sources, events("stripe", stripe_event(type=kind))[0])["_position"] for kind in order]

    assert positions == sorted(positions)


def test_a_repeated_stripe_event_is_the_same_event_whatever_else_is_pending(sources: Sources) -> None:
    bodies = [json.dumps(stripe_event(pending_webhooks=count)).encode() for count in (2, 1)]

    assert len({inspect(sources["stripe"], {}, body).delivery_id for body in bodies}) == 1


def test_a_hubspot_batch_is_split_in_order_and_the_attempt_does_not_matter(sources: Sources, events: Split) -> None:
    company = {**CHANGE, "subscriptionType": "object.propertyChange", "objectTypeId": "0-2", "eventId": 8}
    batch = [CHANGE, company]
    retried = [{**item, "attemptNumber": 3} for item in reversed(batch)]

    first, second = (columns(sources, item) for item in events("hubspot", batch))
    again = [columns(sources, item)["_event_id"] for item in events("hubspot", retried)]

    assert (first["object_id"], first["property_value"], first["_account"]) == ("123", "a@b.c", "62515")
    assert [row.table for row in events("hubspot", batch) if isinstance(row, RawRow)] == [
        "hubspot_contacts",
        "hubspot_companies",
    ]
    assert again == [second["_event_id"], first["_event_id"]]
    ids = {inspect(sources["hubspot"], {}, json.dumps(body).encode()).delivery_id for body in (batch, retried)}
    assert len(ids) == 1


def test_hubspot_positions_order_by_time_and_then_by_number(sources: Sources, events: Split) -> None:
    ids: list[Any] = [9, 10, 2**64 - 1]

    positions = [columns(sources, events("hubspot", [{**CHANGE, "eventId": item}])[0])["_position"] for item in ids]
    odd = columns(sources, events("hubspot", [{**CHANGE, "eventId": "a-b"}])[0])["_position"]

    assert positions == sorted(positions)
    assert {len(position) for position in [*positions, odd]} == {20 + 1 + 2 + 1 + 20}


def test_the_bad_elements_of_a_batch_are_quarantined_one_by_one(events: Split) -> None:
    results = events(
        "hubspot", [CHANGE, 7, {**CHANGE, "objectId": None}, {**CHANGE, "subscriptionType": "deal.creation"}]
    )

    assert isinstance(results[0], RawRow)
    assert [item.reason for item in results[1:] if isinstance(item, Rejected)] == [
        "wrong_shape",
        "no_key",
        "unknown_topic",
    ]


@pytest.mark.parametrize("odd", [b'{"objectId":1,"propertyValue":"\\ud800"}', b"NaN", b"-Infinity"])
def test_an_element_that_is_no_json_for_most_keeps_no_other_one_out(
    sources: Sources, events: Split, odd: bytes
) -> None:
    change = json.dumps(CHANGE, indent=1).encode()
    body = b" [ " + change + b" ,\n" + odd + b"," + change.replace(b'"eventId": 1', b'"eventId": 2') + b"\r]\t"

    first, second, third = events("hubspot", body)

    assert inspect(sources["hubspot"], {}, body).reason is None
    assert isinstance(first, RawRow)
    assert isinstance(second, Rejected)
    assert (second.reason, second.body) == ("not_json", odd)
    assert isinstance(third, RawRow)


@pytest.mark.parametrize(
    "body", [b'["\\ud800"', b'["\\ud800",]', b'{"a":"\\ud800"}', b'["\\ud800"] x', b'\xff["\\ud800"]']
)
def test_a_batch_that_is_no_array_of_json_is_kept_whole(sources: Sources, events: Split, body: bytes) -> None:
    assert inspect(sources["hubspot"], {}, body).reason == "not_json"
    assert reason(events("hubspot", body)) == "not_json"


def test_an_empty_batch_is_fine_and_an_object_instead_of_one_is_not(sources: Sources, events: Split) -> None:
    assert events("hubspot", b"[]") == []
    assert inspect(sources["hubspot"], {}, b"[]").reason is None
    assert inspect(sources["hubspot"], {}, b"{}").reason == "wrong_shape"
    assert reason(events("hubspot", b"{}")) == "wrong_shape"


def test_two_deliveries_without_an_id_are_told_apart_by_their_bodies(sources: Sources) -> None:
    headers = {"x-shopify-topic": "orders/updated"}

    first = inspect(sources["shopify"], headers, ORDER)
    other = inspect(sources["shopify"], headers, ORDER.replace(b"403", b"404"))

    assert first.delivery_id == inspect(sources["shopify"], headers, ORDER).delivery_id
    assert first.delivery_id != other.delivery_id


@pytest.mark.parametrize("blank", ["", " ", " \t ", "\u3000"])
def test_a_blank_id_counts_as_none(sources: Sources, events: Split, blank: str) -> None:
    shopify = {**ORDER_HEADERS, "x-shopify-webhook-id": blank}
    ticket = {"type": "ticket.created", "timestamp": "2026-01-01T00:00:00Z", "data": {"id": "t"}}
    cases: list[tuple[str, dict[str, str], Any, Any]] = [
        ("shopify", shopify, json.loads(ORDER), {**json.loads(ORDER), "total_price": "404.00"}),
        ("stripe", {}, stripe_event(id=blank), stripe_event(id=blank, created=1700000001)),
        ("acme", {"webhook-id": blank}, ticket, {**ticket, "timestamp": "2026-01-02T00:00:00Z"}),
        ("hubspot", {}, [{**CHANGE, "objectId": blank}], [{**CHANGE, "objectId": blank, "propertyValue": "b@b.c"}]),
    ]

    for source, headers, one, other in cases:
        bodies = [json.dumps(body).encode() for body in (one, one, other)]
        first, again, different = (inspect(sources[source], headers, body).delivery_id for body in bodies)
        results = [events(source, body, headers)[0] for body in (bodies[0], bodies[2])]

        assert first == again, source
        assert first != different, source
        assert len({event_id(sources, result) for result in results}) == 2, source


def test_a_blank_id_is_the_same_event_as_none(sources: Sources) -> None:
    without = {name: text for name, text in ORDER_HEADERS.items() if name != "x-shopify-webhook-id"}

    ids = {inspect(sources["shopify"], {**without, "x-shopify-webhook-id": text}, ORDER).delivery_id for text in " \t"}

    assert ids == {inspect(sources["shopify"], without, ORDER).delivery_id}
