"""Staging against what senders and attackers do: bodies sent again, events no rule accepts, late news of the erased."""

from collections.abc import Iterable
from typing import Any

import pytest

from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.sources import load_source
from tests.support.histories import Event, delivery
from tests.support.lake import Lake

pytestmark = pytest.mark.spark

SHOPIFY = ("currencies", "staging.shopify")
TIMES = {"created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T10:00:00Z"}
ORDER = {**TIMES, "currency": "USD", "total_price": "10.00", "line_items": []}
LINE = {"id": 11, "price": "5.00", "quantity": 1}
REFUND = {"kind": "refund", "status": "success", "amount": "1.00", "currency": "USD"}
MERGE = {
    "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/5",
    "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/6",
}
CHARGE = {"object": "charge", "currency": "usd", "livemode": True, "created": 1_767_600_000}


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """An empty lake."""
    return Lake(settings)


def build(lake: Lake, *models: str) -> None:
    lake.dbt("build", "--resource-types", "seed", "model", "--select", *models)


def land(lake: Lake, events: Iterable[Event], first: int = 0) -> None:
    """Land events as deliveries number `first` and on: the number is in their ids, stamps and times of arrival."""
    configs = {
        name: load_source(PROJECT_ROOT / f"config/webhooks/{name}.yaml") for name in ("shopify", "stripe", "hubspot")
    }
    lake.land([delivery(configs[event.source], event, number) for number, event in enumerate(events, start=first)])


def shopify(topic: str, body: dict[str, Any], shop: str = "mine.example.com") -> Event:
    return Event("shopify", {"x-shopify-topic": topic, "x-shopify-shop-domain": shop}, body)


def stripe(kind: str, data: dict[str, Any]) -> Event:
    body = {"id": f"evt_{data['id']}", "object": "event", "type": kind, "created": 1_767_600_000, "livemode": True}
    return Event("stripe", {}, {**body, "data": {"object": data}})


def hubspot(kind: str, object_id: int, at: int, **more: Any) -> dict[str, Any]:
    known = {"eventId": at, "portalId": 1, "attemptNumber": 0, "occurredAt": 1_767_600_000_000 + at}
    return {**known, "subscriptionType": kind, "objectId": object_id, **more}


def test_a_shopify_body_sent_again_under_another_id_stamp_and_shop_changes_no_staging_table(lake: Lake) -> None:
    customer = {"id": 5, "email": "ann@example.com", "phone": None}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("orders/create", {**ORDER, "id": 1, "line_items": [LINE]}),
        ("orders/delete", {"id": 2}),
        ("orders/create", {**ORDER, "id": 3}),
        ("orders/delete", {"id": 3}),
        ("customers/create", {**customer, "updated_at": "2026-01-05T10:00:00Z"}),
        ("customers/merge", {**MERGE, "status": "completed"}),
        ("customers/merge", {**MERGE, "status": "failed"}),
        ("refunds/create", {"id": 4, "order_id": 1, "created_at": "2026-01-05T10:00:00Z", "transactions": [REFUND]}),
        ("customers/redact", {"shop_id": 7, "shop_domain": "mine", "customer": customer, "orders_to_redact": [1]}),
    ]
    land(lake, [shopify(topic, body) for topic, body in bodies])
    build(lake, *SHOPIFY)
    before = {name: ids for name, ids in lake.snapshot_ids().items() if name.startswith("staging.")}

    land(lake, [shopify(topic, body, "theirs.example.com") for topic, body in reversed(bodies)], first=1000)
    build(lake, *SHOPIFY)

    after = {name: ids for name, ids in lake.snapshot_ids().items() if name.startswith("staging.")}
    assert len(lake.rows("raw.shopify_orders")) == 8
    assert before == after


def test_every_event_is_staged_or_listed_with_the_rule_it_breaks(lake: Lake) -> None:
    euros = {**REFUND, "currency": "EUR"}
    refund = {"order_id": 1, "created_at": "2026-01-05T10:00:00Z"}
    land(
        lake,
        [
            shopify("orders/create", {**ORDER, "id": 1, "line_items": [LINE, {**LINE, "id": None}]}),
            shopify("orders/create", {**ORDER, "id": 2, "currency": "XXQ"}),
            shopify("orders/create", {**ORDER, "id": 3, "total_price": "9999999999999999.999"}),
            shopify("refunds/create", {**refund, "id": 4, "transactions": [REFUND, euros]}),
            shopify("refunds/create", {**refund, "id": 5, "transactions": [{**REFUND, "amount": "all"}]}),
            stripe("charge.succeeded", {**CHARGE, "id": "ch_1", "amount": 100}),
            stripe("charge.succeeded", {**CHARGE, "id": "ch_2", "amount": 10**16}),
            stripe("charge.succeeded", {**CHARGE, "id": "ch_3", "amount": None}),
            Event("hubspot", {}, [hubspot("contact.creation", 1, 1), hubspot("contact.propertyChange", 2, 2)]),
            Event("hubspot", {}, [hubspot("contact.merge", 3, 3, primaryObjectId=3, mergedObjectIds=[])]),
        ],
    )

    build(lake, "currencies", "staging", "metadata")

    assert {row["order_id"] for row in lake.rows("staging.stg_shopify_orders")} == {"1"}
    assert [row["order_line_id"] for row in lake.rows("staging.stg_shopify_order_lines")] == ["11"]
    assert lake.rows("staging.stg_shopify_refunds") == []
    assert {row["charge_id"] for row in lake.rows("staging.stg_stripe_charges")} == {"ch_1"}
    assert {row["contact_id"] for row in lake.rows("staging.stg_hubspot_contacts")} == {"1"}
    assert sorted((row["record_id"], row["rule"]) for row in lake.rows("metadata.rejected_rows")) == [
        ("1", "unreadable_line"),
        ("2", "property_without_name"),
        ("2", "unknown_currency"),
        ("3", "merge_without_ids"),
        ("3", "unreadable_amount"),
        ("4", "mixed_currencies"),
        ("5", "unreadable_amount"),
        ("ch_2", "unreadable_amount"),
        ("ch_3", "unreadable_amount"),
    ]


def test_no_signed_event_however_odd_keeps_the_others_from_the_dashboard(lake: Lake) -> None:
    refund = {**REFUND, "amount": "-1.00"}
    charge = {**CHARGE, "amount": 100, "status": "succeeded"}
    lines = [{**LINE, "id": 1}, {**LINE, "id": 2, "price": "-1"}, {**LINE, "id": 3, "quantity": -1}]
    land(
        lake,
        [
            shopify("orders/create", {**ORDER, "id": 1, "line_items": lines, "financial_status": "odd"}),
            shopify("orders/create", {**ORDER, "id": 2, "total_price": "-5.00"}),
            shopify("orders/create", {**ORDER, "id": 3, "created_at": None}),
            shopify("orders/create", {**ORDER, "id": 4, "total_price": "9999999999999999.99"}),
            shopify("refunds/create", {"id": 5, "order_id": 1, **TIMES, "transactions": [refund]}),
            stripe("charge.succeeded", {**charge, "id": "ch_1", "status": "odd", "amount_refunded": 101}),
            stripe("charge.succeeded", {**charge, "id": "ch_2", "amount": -1}),
            stripe("charge.succeeded", {**charge, "id": "ch_3", "created": None}),
            stripe("refund.created", {**charge, "object": "refund", "id": "re_1", "status": "odd"}),
            stripe("payment_intent.created", {**charge, "object": "payment_intent", "id": "pi_1", "status": "odd"}),
        ],
    )

    wanted = ("staging", "metadata", "currencies", "+sales_dashboard_daily")
    lake.dbt("build", "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious", "--select", *wanted)

    (day,) = lake.rows("marts.sales_dashboard_daily")
    assert (day["order_count"], day["gross_sales_amount"], day["refunded_amount"]) == (1, 10, 0)
    assert [row["order_line_id"] for row in lake.rows("staging.stg_shopify_order_lines")] == ["1"]
    assert sorted((row["record_id"], row["rule"]) for row in lake.rows("metadata.rejected_rows")) == [
        ("1", "unreadable_line"),
        ("2", "negative_amount"),
        ("3", "no_time"),
        ("4", "unreadable_amount"),
        ("5", "negative_amount"),
        ("ch_2", "negative_amount"),
        ("ch_3", "no_time"),
    ]


def test_nothing_personal_comes_back_after_a_privacy_deletion(lake: Lake) -> None:
    def told(at: int, name: str, value: str) -> dict[str, Any]:
        return hubspot("contact.propertyChange", 1, at, propertyName=name, propertyValue=value)

    land(lake, [Event("hubspot", {}, [hubspot("contact.creation", 1, 1), told(2, "email", "ann@example.com")])])
    build(lake, "+stg_hubspot_contacts")
    known = lake.rows("staging.stg_hubspot_contacts")[0]

    land(lake, [Event("hubspot", {}, [hubspot("contact.privacyDeletion", 1, 3)])], first=10)
    build(lake, "+stg_hubspot_contacts")
    land(lake, [Event("hubspot", {}, [told(1, "firstname", "Ann"), told(9, "email", "ann@example.com")])], first=20)
    build(lake, "+stg_hubspot_contacts")

    contact = lake.rows("staging.stg_hubspot_contacts")[0]
    kept = {row["property_name"] for row in lake.rows("staging.stg_hubspot_contact_properties")}
    assert known["email"] == "ann@example.com"
    assert (contact["email"], contact["first_name"], contact["is_erased"]) == (None, None, True)
    assert kept == {"_created", "_erased"}


def test_contacts_merged_into_an_erased_one_are_erased_with_it_whatever_comes_first(lake: Lake) -> None:
    def told(contact: int) -> dict[str, Any]:
        value = {"propertyName": "email", "propertyValue": f"{contact}@example.com"}
        return hubspot("contact.propertyChange", contact, 1, **value, eventId=contact)

    def merged(contact: int, kept: int) -> dict[str, Any]:
        ids = {"primaryObjectId": kept, "mergedObjectIds": [contact], "newObjectId": kept}
        return hubspot("contact.merge", kept, 2, **ids, eventId=100 + contact)

    known = [told(contact) for contact in range(1, 8)]
    land(lake, [Event("hubspot", {}, [*known, merged(2, 1), merged(3, 2), merged(4, 3), merged(6, 5)])])
    build(lake, "+stg_hubspot_contacts")
    land(lake, [Event("hubspot", {}, [hubspot("contact.privacyDeletion", 1, 3)])], first=10)
    build(lake, "+stg_hubspot_contacts")
    land(lake, [Event("hubspot", {}, [merged(7, 4), told(4)])], first=20)
    build(lake, "+stg_hubspot_contacts")

    contacts = {row["contact_id"]: row for row in lake.rows("staging.stg_hubspot_contacts")}
    assert {contact for contact, row in contacts.items() if row["is_erased"]} == {"1", "2", "3", "4", "7"}
    facts = lake.rows("staging.stg_hubspot_contact_properties")
    assert {row["property_value"] for row in facts if row["property_name"] == "email"} == {
        "5@example.com",
        "6@example.com",
    }


def test_companies_are_folded_by_their_latest_changes_in_whichever_form_they_are_told(lake: Lake) -> None:
    def told(at: int, company: int, name: str, value: str, *, is_generic: bool = False) -> dict[str, Any]:
        form = {"objectTypeId": "0-2"} if is_generic else {}
        kind = "object.propertyChange" if is_generic else "company.propertyChange"
        return hubspot(kind, company, at, propertyName=name, propertyValue=value, **form)

    merge = {"primaryObjectId": 2, "mergedObjectIds": [3], "newObjectId": 2}
    events = [
        hubspot("company.creation", 1, 1),
        told(2, 1, "name", "Floe"),
        told(3, 1, "domain", "floe.example.com", is_generic=True),
        told(4, 1, "name", "Floe Ltd", is_generic=True),
        told(5, 1, "city", "Duluth"),
        told(6, 1, "city", ""),
        told(1, 2, "name", "Berg"),
        hubspot("company.deletion", 2, 2),
        hubspot("object.restore", 2, 3, objectTypeId="0-2"),
        told(1, 3, "phone", "555-1"),
        hubspot("object.merge", 2, 4, objectTypeId="0-2", **merge),
        hubspot("object.deletion", 4, 5, objectTypeId="0-2"),
        hubspot("object.creation", 1, 6, objectTypeId="0-1"),  # a contact of the same id
    ]
    names = ("name", "domain", "city", "phone", "is_deleted", "merged_into_id")
    land(lake, [Event("hubspot", {}, events[::2])])
    build(lake, "+stg_hubspot_companies")
    land(lake, [Event("hubspot", {}, events[1::2][::-1])], first=10)
    build(lake, "+stg_hubspot_companies")

    companies = {row["company_id"]: row for row in lake.rows("staging.stg_hubspot_companies")}
    assert {key: tuple(row[name] for name in names) for key, row in companies.items()} == {
        "1": ("Floe Ltd", "floe.example.com", None, None, False, None),
        "2": ("Berg", None, None, None, False, None),
        "3": (None, None, None, "555-1", True, "2"),
        "4": (None, None, None, None, True, None),
    }
    assert companies["1"]["created_at"].timestamp() == 1_767_600_000.001
    assert companies["1"]["updated_at"].timestamp() == 1_767_600_000.006
    assert companies["3"]["deleted_at"].timestamp() == 1_767_600_000.004


def test_lines_that_the_newest_version_of_an_order_no_longer_has_are_removed(lake: Lake) -> None:
    land(lake, [shopify("orders/create", {**ORDER, "id": 1, "line_items": [LINE, {**LINE, "id": 12}]})])
    build(lake, "+stg_shopify_order_lines")
    both = {row["order_line_id"] for row in lake.rows("staging.stg_shopify_order_lines")}

    later = {**ORDER, "id": 1, "updated_at": "2026-01-05T11:00:00Z"}
    land(lake, [shopify("orders/updated", {**later, "line_items": [LINE]})], first=10)
    build(lake, "+stg_shopify_order_lines")
    one = {row["order_line_id"] for row in lake.rows("staging.stg_shopify_order_lines")}
    land(lake, [shopify("orders/updated", {**later, "updated_at": "2026-01-05T12:00:00Z"})], first=20)
    build(lake, "+stg_shopify_order_lines")

    assert both == {"11", "12"}
    assert one == {"11"}
    assert lake.rows("staging.stg_shopify_order_lines") == []


def test_rows_that_a_rebuilt_staging_table_has_no_more_leave_the_tables_above_it(lake: Lake) -> None:
    above = (
        "stg_shopify_order_lines",
        "order_summary",
        "payment_metrics",
        "stg_hubspot_companies",
        "er_source_records",
    )
    told = {"propertyName": "email", "propertyValue": "bo@example.com"}
    names = {"email": "ann@example.com", "updated_at": "2026-01-05T10:00:00Z"}
    charge = {**CHARGE, "amount": 100, "amount_refunded": 0, "status": "succeeded"}
    land(
        lake,
        [
            shopify("orders/create", {**ORDER, "id": 1, "line_items": [LINE]}),
            shopify("orders/create", {**ORDER, "id": 2, "created_at": "2026-02-07T09:00:00Z", "line_items": [LINE]}),
            shopify("customers/create", {**names, "id": 5}),
            shopify("customers/create", {**names, "id": 6}),
            *(Event("hubspot", {}, [hubspot("contact.propertyChange", one, 1, **told)]) for one in (1, 2)),
            *(Event("hubspot", {}, [hubspot("company.creation", one, 1)]) for one in (1, 2)),
            stripe("charge.succeeded", {**charge, "id": "ch_1"}),
            stripe("charge.succeeded", {**charge, "id": "ch_2", "created": 1_770_500_000}),
        ],
    )
    build(lake, *(f"+{name}" for name in above))
    for table in ("shopify_orders", "shopify_customers", "stripe_charges"):
        lake.spark.sql(f"delete from raw.{table} where id in ('2', '6', 'ch_2')")
    for table in ("hubspot_contacts", "hubspot_companies"):
        lake.spark.sql(f"delete from raw.{table} where object_id = '2'")

    rebuilt = ("stg_shopify_orders", "stg_shopify_customers", "stg_stripe_charges")
    folded = ("stg_hubspot_contact_properties", "stg_hubspot_company_properties")
    lake.dbt("run", "--full-refresh", "--select", *rebuilt, *folded)
    build(lake, *above, "stg_hubspot_contacts")

    assert [row["order_id"] for row in lake.rows("staging.stg_shopify_order_lines")] == ["1"]
    assert {row["period_start"].isoformat() for row in lake.rows("analytics.order_summary")} == {
        "2026-01-01",
        "2026-01-05",
    }
    assert [row["payment_date"].isoformat() for row in lake.rows("analytics.payment_metrics")] == ["2026-01-05"]
    companies = {row["company_id"]: row["is_deleted"] for row in lake.rows("staging.stg_hubspot_companies")}
    assert companies == {"1": False, "2": True}
    records = {row["source_id"]: (row["email"], row["is_deleted"]) for row in lake.rows("semantic.er_source_records")}
    assert records == {
        "5": ("ann@example.com", False),
        "6": (None, True),
        "1:1": ("bo@example.com", False),
        "1:2": (None, True),
    }
