"""The generated business: repeatable, endless, obviously invented, and consistent in its sums."""

import re
from collections import Counter
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import Any

import msgspec
import pytest

from ingestion.webhooks.generator import Faults, Request, business, order_updates
from ingestion.webhooks.generator.business import settled_order
from ingestion.webhooks.generator.people import person, written_email, written_phone

ORDERS = 250


@pytest.fixture(scope="module")
def plain() -> list[Request]:
    """Every genuine request of a small business, each once and in order."""
    return list(business(1, orders=ORDERS, faults=Faults.none()))


def bodies(requests: list[Request], topic: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(r.body) for r in requests if r.headers.get("x-shopify-topic") == topic]


def stripe_objects(requests: list[Request], kind: str) -> list[dict[str, Any]]:
    events = (msgspec.json.decode(r.body) for r in requests if r.source == "stripe")
    return [event["data"]["object"] for event in events if event["type"] == kind]


def fingerprint(requests: list[Request]) -> str:
    return sha256(repr([(r.source, r.headers, r.body, r.expected, r.signing) for r in requests]).encode()).hexdigest()


def test_a_seed_gives_the_same_requests_every_time_and_another_seed_others() -> None:
    first, again, other = (fingerprint(list(business(seed, orders=60))) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_an_endless_business_begins_like_a_short_one() -> None:
    endless = list(islice(business(3), 400))
    short = list(islice(business(3, orders=200), 400))

    assert fingerprint(endless) == fingerprint(short)


def test_ids_are_unique_beyond_what_a_double_can_hold(plain: list[Request]) -> None:
    orders = bodies(plain, "orders/create")
    lines = [line["id"] for order in orders for line in order["line_items"]]

    assert len({order["id"] for order in orders}) == ORDERS
    assert len(set(lines)) == len(lines)
    assert all(2**53 < number < 2**63 for number in [*lines, *(order["id"] for order in orders)])


def test_the_sums_of_every_order_agree_with_its_lines(plain: list[Request]) -> None:
    for order in bodies(plain, "orders/updated"):
        lines = order["line_items"]
        total = sum(Decimal(line["price"]) * line["quantity"] for line in lines)
        discount = sum(Decimal(a["amount"]) for line in lines for a in line["discount_allocations"])
        tax = sum(Decimal(t["price"]) for line in lines for t in line["tax_lines"])
        shipping = Decimal(order["total_shipping_price_set"]["shop_money"]["amount"])

        assert Decimal(order["total_discounts"]) == discount
        assert Decimal(order["subtotal_price"]) == total - discount
        assert Decimal(order["total_tax"]) == tax
        assert Decimal(order["total_price"]) == total - discount + tax + shipping


def test_amounts_are_written_with_each_currencys_own_decimals(plain: list[Request]) -> None:
    decimals = {
        (order["currency"], len(order["total_price"].partition(".")[2])) for order in bodies(plain, "orders/create")
    }

    assert decimals == {("USD", 2), ("EUR", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3)}


def test_charges_are_in_the_smallest_unit_and_equal_the_order(plain: list[Request]) -> None:
    scale = {"usd": 100, "eur": 100, "gbp": 100, "jpy": 1, "kwd": 1000}
    totals = {str(order["id"]): Decimal(order["total_price"]) for order in bodies(plain, "orders/paid")}
    charges = [c for c in stripe_objects(plain, "charge.succeeded") if "order_id" in c["metadata"]]

    assert len(charges) == ORDERS
    for charge in charges:
        total = totals[charge["metadata"]["order_id"]] * scale[charge["currency"]]
        assert abs(charge["amount"] - total) <= (5 if charge["currency"] == "kwd" else 0)
    assert {c["amount"] % 10 for c in charges if c["currency"] == "kwd"} == {0}
    assert {type(c["customer"]) for c in charges} == {str, dict, type(None)}


def test_no_order_is_refunded_beyond_what_was_paid(plain: list[Request]) -> None:
    totals = {order["id"]: Decimal(order["total_price"]) for order in bodies(plain, "orders/paid")}
    refunded: Counter[int] = Counter()
    for refund in bodies(plain, "refunds/create"):
        for transaction in refund["transactions"]:
            if transaction["status"] == "success":
                refunded[refund["order_id"]] += Decimal(transaction["amount"])  # type: ignore[assignment]

    assert len(refunded) > 5
    assert all(0 < amount <= totals[order] for order, amount in refunded.items())


def test_everybody_is_invented() -> None:
    text = b"\n".join(r.body for r in business(9, orders=120)).decode()
    emails = re.findall(r"[\w.+\'-]+@[\w.-]+", text)
    phones = re.findall(r'"phone": ?"([^"]*)"', text)

    assert len(emails) > 500
    assert {email.split("@")[1].lower() for email in emails} == {"example.com"}
    assert len(phones) > 500
    assert all("555" in phone for phone in phones)


def test_written_forms_of_one_person_differ_and_mean_the_same() -> None:
    def tidy(email: str) -> str:
        return re.sub(r"\+[a-z_]+@", "@", email.strip().lower())

    people = [person(1, number) for number in range(300)]
    emails = [{written_email(who, system) for system in ("shopify", "stripe", "hubspot")} for who in people]
    phones = [{written_phone(who, system) for system in ("shopify", "stripe", "hubspot")} for who in people]

    assert sum(len(forms) > 1 for forms in emails) > 100
    assert sum(len(forms) > 1 for forms in phones) > 200
    for who, email_forms, phone_forms in zip(people, emails, phones, strict=True):
        assert {tidy(form) for form in email_forms} == {who.email}
        assert {re.sub(r"\D", "", form)[-10:] for form in phone_forms} == {who.digits}
    assert len({who.email for who in people}) == len({who.digits for who in people}) == 300


def test_the_three_systems_share_customers_and_each_has_its_own() -> None:
    known = Counter((p.in_shopify, p.in_stripe, p.in_hubspot) for p in (person(1, n) for n in range(1000)))

    assert known[(True, True, True)] > 200
    assert min(known[(True, False, False)], known[(False, True, False)], known[(False, False, True)]) > 5
    assert (False, False, False) not in known


def test_every_kind_of_event_occurs() -> None:
    requests = list(business(1, orders=1000, faults=Faults.none()))
    shopify = {r.headers["x-shopify-topic"] for r in requests if r.source == "shopify"}
    stripe = {msgspec.json.decode(r.body)["type"] for r in requests if r.source == "stripe"}
    changes = [change for r in requests if r.source == "hubspot" for change in msgspec.json.decode(r.body)]

    assert shopify == {
        *("orders/create", "orders/updated", "orders/paid", "orders/fulfilled", "orders/cancelled", "orders/delete"),
        *("customers/create", "customers/update", "customers/disable", "customers/delete", "refunds/create"),
        *("customers/data_request", "customers/redact"),
    }
    assert stripe == {
        *("charge.succeeded", "charge.failed", "charge.refunded", "refund.created", "refund.updated"),
        *("payment_intent.created", "payment_intent.succeeded", "payment_intent.payment_failed"),
        *("customer.created", "customer.updated", "customer.deleted"),
    }
    assert {change["subscriptionType"] for change in changes} >= {
        *("contact.creation", "contact.propertyChange", "contact.deletion", "contact.privacyDeletion"),
        *("contact.merge", "company.creation", "company.propertyChange", "object.creation", "object.propertyChange"),
    }
    assert max(len(msgspec.json.decode(r.body)) for r in requests if r.source == "hubspot") > 10


def test_a_wave_changes_about_its_share_of_the_orders_and_nothing_older(plain: list[Request]) -> None:
    latest = {order["id"]: order["updated_at"] for order in bodies(plain, "orders/updated")}

    wave = list(order_updates(1, orders=ORDERS, share=0.2))

    changed = bodies(wave, "orders/updated")
    assert 25 < len(changed) == len(wave) < 75
    assert {order["id"] for order in changed} < {order["id"] for order in bodies(plain, "orders/create")}
    for order in changed:
        assert order["updated_at"] > latest.get(order["id"], "")
        assert len(order["line_items"]) > 1


def test_a_settled_order_is_the_last_state_that_was_told(plain: list[Request]) -> None:
    told = {order["id"]: order["total_price"] for order in bodies(plain, "orders/updated")}

    for number in range(0, ORDERS, 10):
        order = settled_order(1, number)
        if order.order_id in told:
            assert Decimal(told[order.order_id]) == Decimal(order.total).scaleb(-order.shop.currency.digits)
