"""What happens to one order and to one person, moment by moment, and which webhooks each moment causes."""

from collections.abc import Iterator
from random import Random
from typing import Any

from ingestion.webhooks.generator import hubspot, shopify, stripe
from ingestion.webhooks.generator.hubspot import Change
from ingestion.webhooks.generator.ids import seeded, shopify_id
from ingestion.webhooks.generator.orders import Order, Payment, Refund, subscription
from ingestion.webhooks.generator.people import Person
from ingestion.webhooks.generator.request import Request
from ingestion.webhooks.generator.shopify_orders import order_request, refund_body

Moment = tuple[int, list[Request | Change]]
"""Epoch seconds, and what the systems then tell us."""

_HOUR = 3_600


def order_life(order: Order) -> Iterator[Moment]:
    """The order from its creation on, changed in place as it goes; times never decrease."""
    rng = seeded(order.seed, "life", order.number)
    pays_later = rng.random() < 0.14
    if pays_later:
        yield order.created_at, [*_topics(order, "orders/create"), _intent(order, "payment_intent.created")]
        if rng.random() < 0.35:
            order.add_line(rng)
            yield _at(order, _HOUR, rng), [*_topics(order, "orders/updated")]
        yield from _pay(order, rng, after=6 * _HOUR)
    else:
        yield from _pay(order, rng, after=0)
    fate = rng.random()
    if fate < 0.05 or order.is_test:
        yield from _cancel(order, rng)
        return
    if fate < 0.90:
        order.fulfilled_at = _at(order, 30 * _HOUR, rng)
        yield order.fulfilled_at, [*_topics(order, "orders/fulfilled", "orders/updated"), *_became_customer(order)]
        if rng.random() < 0.09:
            yield from _send_back(order, rng)


def person_life(seed: int, who: Person, born: int) -> Iterator[Moment]:
    """Each system that knows the person hears of it at `born`; a few merge, change or leave later."""
    at = born
    rng = seeded(seed, "person life", who.number)
    hello: list[Request | Change] = []
    if who.in_hubspot:
        if who.company is not None and who.number % 12 == 0:
            hello += hubspot.created_company(seed, who.company, at)
        hello += hubspot.created_contact(seed, who, at)
    if who.in_shopify:
        hello.append(_customer("customers/create", seed, who, at, at))
    if who.in_stripe:
        hello.append(
            stripe.stripe_request("customer.created", stripe.customer_body(seed, who, at), at, seed, who.number)
        )
    yield at, hello
    if who.in_hubspot and rng.random() < 0.05:
        at += rng.randrange(_HOUR, 40 * _HOUR)
        yield at, [*hubspot.created_contact(seed, who, at, twin=True)]
        at += rng.randrange(_HOUR, 20 * _HOUR)
        yield at, [hubspot.merged_contacts(seed, who, at)]
    if rng.random() < 0.20:
        at += rng.randrange(2 * _HOUR, 60 * _HOUR)
        yield at, _changed(seed, who, born, at)
    if who.in_stripe and not who.in_shopify and who.fate == "stays":
        at += rng.randrange(_HOUR, 30 * _HOUR)
        yield from _pay(subscription(seed, who, at), rng, after=0)
    if who.fate == "closes":
        at += rng.randrange(60 * _HOUR, 90 * _HOUR)
        yield at, _closed(seed, who, born, at)


def forgotten(seed: int, who: Person, known_since: int, at: int, orders: tuple[int, ...]) -> list[Request | Change]:
    """Someone asked for the data and then to be erased: every system says so."""
    told: list[Request | Change] = []
    if who.in_shopify:
        for part, topic in enumerate(("customers/data_request", "customers/redact")):
            body = shopify.privacy_body(who, seed, who.shop, orders, topic)
            told.append(shopify.shopify_request(topic, who.shop, body, at + part, seed, who.number))
    if who.in_stripe:
        told.append(_stripe_deleted(seed, who, known_since, at))
    if who.in_hubspot:
        told.append(hubspot.change("contact", hubspot.contact_id(seed, who), "privacyDeletion", at * 1000))
    return told


def changed_again(order: Order, at: int, *, wave: int) -> list[Request]:
    """A later change of a settled order: one more piece of something, told by `orders/updated`."""
    order.add_line(seeded(order.seed, "wave", wave, order.number))
    order.updated_at = at
    return _topics(order, "orders/updated")


def _topics(order: Order, *topics: str) -> list[Request]:
    return [order_request(topic, order) for topic in topics]


def _at(order: Order, within: int, rng: Random) -> int:
    """A moment after the order's last change, which it becomes."""
    order.updated_at += rng.randrange(60, max(120, within))
    return order.updated_at


def _intent(order: Order, kind: str) -> Request:
    succeeded = kind.endswith("succeeded")
    body = stripe.intent_body(order, "succeeded" if succeeded else "requires_payment_method", order.paid)
    return stripe.stripe_request(kind, body, order.updated_at, order.seed, order.number, live=not order.is_test)


def _charge(order: Order, kind: str, payment: Payment, at: int, previous: dict[str, Any] | None = None) -> Request:
    return stripe.stripe_request(
        kind,
        stripe.charge_body(order, payment),
        at,
        order.seed,
        order.number,
        payment.part,
        payment.refunded,
        live=not order.is_test,
        previous=previous,
    )


def _pay(order: Order, rng: Random, *, after: int) -> Iterator[Moment]:
    """Money is taken, at the second try now and then; with the order's creation if `after` is zero."""
    at = _at(order, after, rng) if after else order.created_at
    told: list[Request | Change] = [] if after else [_intent(order, "payment_intent.created")]
    if rng.random() < 0.06:
        failed = Payment(0, at, order.total, succeeded=False)
        order.payments.append(failed)
        told += [_charge(order, "charge.failed", failed, at), _intent(order, "payment_intent.payment_failed")]
    payment = Payment(len(order.payments), at, order.total, succeeded=True)
    order.payments.append(payment)
    order.financial_status = "paid"
    told += [_charge(order, "charge.succeeded", payment, at), _intent(order, "payment_intent.succeeded")]
    if not order.is_subscription:
        told += _topics(order, *(("orders/paid", "orders/updated") if after else ("orders/create", "orders/paid")))
    yield at, told


def _cancel(order: Order, rng: Random) -> Iterator[Moment]:
    at = _at(order, 10 * _HOUR, rng)
    order.cancelled_at = at
    refund = _refund(order, at, {line.line_id: line.quantity for line in order.lines}, order.total, succeeded=True)
    order.financial_status = "refunded"
    yield at, [*_topics(order, "orders/cancelled", "orders/updated"), *_told_refund(order, refund)]
    if order.is_test or rng.random() < 0.2:
        order.is_deleted = True
        at = _at(order, 5 * _HOUR, rng)
        gone = shopify.shopify_request("orders/delete", order.shop, {"id": order.order_id}, at, order.order_id, "gone")
        yield at, [gone]


def _send_back(order: Order, rng: Random) -> Iterator[Moment]:
    line = rng.choice(order.lines)
    pieces = rng.randrange(1, line.quantity + 1)
    amount = line.subtotal * pieces // line.quantity + line.tax * pieces // line.quantity
    if not amount:
        return
    at = _at(order, 40 * _HOUR, rng)
    if rng.random() < 0.15:
        yield at, [*_told_refund(order, _refund(order, at, {line.line_id: pieces}, amount, succeeded=False))]
        at = _at(order, _HOUR, rng)
    refund = _refund(order, at, {line.line_id: pieces}, amount, succeeded=True)
    order.financial_status = "refunded" if order.refunded >= order.total else "partially_refunded"
    yield at, [*_told_refund(order, refund), *_topics(order, "orders/updated")]


def _refund(order: Order, at: int, quantities: dict[int, int], amount: int, *, succeeded: bool) -> Refund:
    refund_id = shopify_id("refund", order.seed, order.number, len(order.refunds))
    refund = Refund(refund_id, at, amount, quantities, succeeded)
    order.refunds.append(refund)
    return refund


def _told_refund(order: Order, refund: Refund) -> list[Request]:
    """What both systems say of a refund: the shop's form of it, then the payment's."""
    at, live = refund.at, not order.is_test
    body = refund_body(order, refund)
    told = [shopify.shopify_request("refunds/create", order.shop, body, at, refund.refund_id, test=order.is_test)]
    payment = next(payment for payment in order.payments if payment.succeeded)
    states = ("refund.created", "pending"), ("refund.updated", "succeeded" if refund.succeeded else "failed")
    for later, (kind, status) in enumerate(states):
        money = stripe.refund_body(order, payment, refund, status)
        before = {"status": "pending"} if later else None
        told.append(stripe.stripe_request(kind, money, at + later, refund.refund_id, live=live, previous=before))
    if refund.succeeded:
        earlier = {"amount_refunded": stripe.minor_units(order, payment.refunded)}
        payment.refunded += refund.amount
        told.append(_charge(order, "charge.refunded", payment, at + 1, earlier))
    return told


def _became_customer(order: Order) -> list[Change]:
    who = order.buyer
    if not who.in_hubspot:
        return []
    object_id, at_ms = hubspot.contact_id(order.seed, who), order.updated_at * 1000
    return [
        hubspot.property_change("contact", object_id, at_ms, "lifecyclestage", "customer", generic=who.number % 5 == 0)
    ]


def _customer(topic: str, seed: int, who: Person, created_at: int, at: int) -> Request:
    state = "disabled" if topic == "customers/disable" else "enabled"
    body = shopify.customer_body(seed, who, who.shop, created_at, at, state=state)
    return shopify.shopify_request(topic, who.shop, body, at, body["id"], at)


def _changed(seed: int, who: Person, created_at: int, at: int) -> list[Request | Change]:
    """The person married or moved: a new last name, told by every system."""
    new = who._replace(last_name=f"{who.last_name}-Winter")
    told: list[Request | Change] = []
    if who.in_shopify:
        told.append(_customer("customers/update", seed, new, created_at, at))
    if who.in_stripe:
        body = stripe.customer_body(seed, new, created_at)
        told.append(stripe.stripe_request("customer.updated", body, at, seed, who.number, previous={"name": who.name}))
    if who.in_hubspot:
        object_id, generic = hubspot.contact_id(seed, who), who.number % 5 == 0
        told.append(
            hubspot.property_change("contact", object_id, at * 1000, "lastname", new.last_name, generic=generic)
        )
    return told


def _closed(seed: int, who: Person, created_at: int, at: int) -> list[Request | Change]:
    """Someone who never bought anything closes every account; a shop's delete holds the id alone."""
    told: list[Request | Change] = []
    if who.in_shopify:
        customer_id = shopify_id("customer", seed, who.number)
        told.append(_customer("customers/disable", seed, who, created_at, at - 60))
        told.append(shopify.shopify_request("customers/delete", who.shop, {"id": customer_id}, at, customer_id))
    if who.in_stripe:
        told.append(_stripe_deleted(seed, who, created_at, at))
    if who.in_hubspot:
        object_id, generic = hubspot.contact_id(seed, who), who.number % 5 == 0
        told.append(hubspot.change("contact", object_id, "deletion", at * 1000, generic=generic))
    return told


def _stripe_deleted(seed: int, who: Person, created_at: int, at: int) -> Request:
    body = stripe.customer_body(seed, who, created_at)
    return stripe.stripe_request("customer.deleted", body, at, seed, who.number)
