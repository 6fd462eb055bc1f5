"""Random histories of one small world: few keys, few moments, many collisions; every event as the door journals it.

Worlds share no key, so many of them can be built in one lake. Nothing here orders events sensibly: late, tied,
contradicting and orphaned ones are the point.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from ingestion.webhooks.events import inspect
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.sources import SourceConfig

START = 1_767_600_000  # 2026-01-05 08:00 UTC, a Monday
HOURS = st.integers(0, 5).map(lambda number: START + number * 13 * 3600)


class Event(NamedTuple):
    """A request of a source, not yet signed or received."""

    source: str
    headers: dict[str, str]
    body: Any


class World:
    """The events that may happen to the few records of one world."""

    def __init__(self, number: int) -> None:
        self._base = number * 1000
        self._emails = [None, "", *(f"{name}{number}@example.com" for name in ("ann.", "Ann.", "bo.", "cy."))]
        self._phones = [None, "n/a", *(f"+1 (555) 2{digit}{number:05d}" for digit in (1, 2)), f"00155521{number:05d}"]

    def events(self) -> st.SearchStrategy[Event]:
        """Any event of the world."""
        return st.one_of(
            self._order(),
            self._order(),
            self._shopify_customer(),
            self._shopify_merge(),
            self._deleted(),
            self._refund(),
            self._charge(),
            self._stripe_customer(),
            self._stripe_refund(),
            self._payment_intent(),
            self._changes(self._contact_change()),
            self._changes(self._company_change(), self._contact_change()),
        )

    def _id(self, count: int = 3) -> st.SearchStrategy[int]:
        return st.integers(1, count).map(lambda number: self._base + number)

    def _order(self) -> st.SearchStrategy[Event]:
        line = st.fixed_dictionaries(
            {"number": st.integers(1, 3), "quantity": st.integers(1, 2), "price": st.sampled_from(["5.00", "7.50"])}
        )
        fields = {
            "id": self._id(),
            "customer": st.one_of(st.none(), self._id().map(lambda number: {"id": number})),
            "email": st.sampled_from(self._emails),
            "currency": st.sampled_from(["EUR", "USD", "JPY"]),
            "total_price": st.sampled_from(["10.00", "20.00", "30.10"]),
            "financial_status": st.sampled_from(["pending", "paid", "refunded"]),
            "cancelled_at": st.one_of(st.none(), st.none(), HOURS.map(_iso)),
            "created_at": st.sampled_from([START, START + 40 * 3600]).map(_iso),
            "updated_at": HOURS.map(_iso),
            "test": st.sampled_from([False, False, False, True]),
            "lines": st.lists(line, max_size=3, unique_by=lambda found: found["number"]),
        }
        return st.fixed_dictionaries(fields).map(_order_event)

    def _shopify_customer(self) -> st.SearchStrategy[Event]:
        fields = {
            "id": self._id(),
            "email": st.sampled_from(self._emails),
            "phone": st.sampled_from(self._phones),
            "first_name": st.sampled_from(["Ann", "Bo", None]),
            "last_name": st.just("Floe"),
            "created_at": st.just(_iso(START)),
            "updated_at": HOURS.map(_iso),
        }
        return st.fixed_dictionaries(fields).map(lambda body: _shopify("customers/update", body))

    def _deleted(self) -> st.SearchStrategy[Event]:
        topics = st.sampled_from(["orders/delete", "customers/delete"])
        return st.tuples(topics, self._id()).map(lambda found: _shopify(found[0], {"id": found[1]}))

    def _shopify_merge(self) -> st.SearchStrategy[Event]:
        global_id = self._id().map(lambda number: f"gid://shopify/Customer/{number}")
        fields = {
            "admin_graphql_api_customer_kept_id": global_id,
            "admin_graphql_api_customer_deleted_id": global_id,
            "status": st.sampled_from(["in_progress", "failed", "completed", "completed"]),
        }
        return st.fixed_dictionaries(fields).map(lambda body: _shopify("customers/merge", body))

    def _refund(self) -> st.SearchStrategy[Event]:
        transaction = st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["refund", "refund", "void"]),
                "status": st.sampled_from(["success", "success", "failure"]),
                "amount": st.sampled_from(["1.00", "2.50"]),
                "currency": st.sampled_from(["EUR", "USD"]),
            }
        )
        fields = {
            "id": self._id(2),
            "order_id": self._id(),
            "created_at": HOURS.map(_iso),
            "processed_at": HOURS.map(_iso),
            "transactions": st.lists(transaction, max_size=2),
        }
        return st.fixed_dictionaries(fields).map(lambda body: _shopify("refunds/create", body))

    def _charge(self) -> st.SearchStrategy[Event]:
        fields = {
            "id": self._id(2).map(lambda number: f"ch_{number}"),
            "object": st.just("charge"),
            "amount": st.sampled_from([1000, 2505]),
            "amount_refunded": st.sampled_from([0, 0, 500]),
            "currency": st.sampled_from(["usd", "jpy", "kwd"]),
            "status": st.sampled_from(["succeeded", "failed"]),
            "customer": st.one_of(st.none(), self._id(2).map(lambda number: f"cus_{number}")),
            "paid": st.booleans(),
            "livemode": st.sampled_from([True, True, False]),
            "created": st.sampled_from([START, START + 40 * 3600]),
        }
        topics = st.sampled_from(["charge.succeeded", "charge.updated", "charge.refunded"])
        return st.tuples(topics, st.fixed_dictionaries(fields), HOURS).map(_stripe)

    def _stripe_customer(self) -> st.SearchStrategy[Event]:
        fields = {
            "id": self._id(2).map(lambda number: f"cus_{number}"),
            "object": st.just("customer"),
            "email": st.sampled_from(self._emails),
            "phone": st.sampled_from(self._phones),
            "name": st.sampled_from(["Ann Floe", None]),
            "livemode": st.sampled_from([True, True, True, False]),
            "created": st.just(START),
        }
        topics = st.sampled_from(["customer.created", "customer.updated", "customer.updated", "customer.deleted"])
        return st.tuples(topics, st.fixed_dictionaries(fields), HOURS).map(_stripe)

    def _stripe_refund(self) -> st.SearchStrategy[Event]:
        fields = {
            "id": self._id(2).map(lambda number: f"re_{number}"),
            "object": st.just("refund"),
            "amount": st.sampled_from([500, 1000]),
            "currency": st.sampled_from(["usd", "jpy", "xxx"]),
            "status": st.sampled_from(["pending", "succeeded", "failed"]),
            "charge": self._id(2).map(lambda number: f"ch_{number}"),
            "payment_intent": st.one_of(st.none(), self._id(2).map(lambda number: f"pi_{number}")),
            "created": st.just(START),
        }
        topics = st.sampled_from(["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
        return st.tuples(topics, st.fixed_dictionaries(fields), HOURS).map(_stripe)

    def _payment_intent(self) -> st.SearchStrategy[Event]:
        fields = {
            "id": self._id(2).map(lambda number: f"pi_{number}"),
            "object": st.just("payment_intent"),
            "amount": st.sampled_from([1000, 2505]),
            "amount_received": st.sampled_from([0, 1000]),
            "currency": st.sampled_from(["usd", "kwd"]),
            "status": st.sampled_from(["processing", "succeeded", "canceled"]),
            "customer": st.one_of(st.none(), self._id(2).map(lambda number: f"cus_{number}")),
            "latest_charge": st.one_of(st.none(), self._id(2).map(lambda number: {"id": f"ch_{number}"})),
            "receipt_email": st.sampled_from(self._emails),
            "livemode": st.sampled_from([True, True, False]),
            "created": st.just(START),
        }
        topics = st.sampled_from([f"payment_intent.{kind}" for kind in ("created", "processing", "succeeded")])
        return st.tuples(topics, st.fixed_dictionaries(fields), HOURS).map(_stripe)

    def _contact_change(self) -> st.SearchStrategy[dict[str, Any]]:
        value = st.one_of(
            st.tuples(st.just("email"), st.sampled_from(self._emails)),
            st.tuples(st.just("phone"), st.sampled_from(self._phones)),
            st.tuples(st.just("firstname"), st.sampled_from(["Ann", "Bo"])),
        )
        return self._change("contact", "0-1", ["creation", "deletion", "restore", "privacyDeletion"], value)

    def _company_change(self) -> st.SearchStrategy[dict[str, Any]]:
        value = st.one_of(
            st.tuples(st.just("name"), st.sampled_from(["Floe Ltd", "Berg & Co", ""])),
            st.tuples(st.just("phone"), st.sampled_from(self._phones)),
            st.tuples(st.just("annualrevenue"), st.just("7")),
        )
        return self._change("company", "0-2", ["creation", "deletion", "restore"], value)

    def _change(
        self, name: str, type_id: str, plain: list[str], value: st.SearchStrategy[tuple[str, str | None]]
    ) -> st.SearchStrategy[dict[str, Any]]:
        """A change event of a kind of record, told by the record's name or in the generic form by its type's id."""
        form = st.sampled_from([(name, None), ("object", type_id)])
        change = st.tuples(st.just("propertyChange"), value)
        merge = st.tuples(st.just("merge"), st.tuples(self._id(), self._id()))
        kind = st.one_of(change, change, change, st.tuples(st.sampled_from(plain), st.none()), merge)
        return st.tuples(form, kind, self._id(), HOURS, st.integers(1, 4)).map(_change)

    def _changes(self, *kinds: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Event]:
        found = st.lists(st.one_of(*kinds), min_size=1, max_size=3)
        return found.map(lambda events: Event("hubspot", {}, events))


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _order_event(fields: dict[str, Any]) -> Event:
    lines = [
        {"id": fields["id"] * 10 + line["number"], "quantity": line["quantity"], "price": line["price"], "title": "Ice"}
        for line in fields.pop("lines")
    ]
    return _shopify("orders/updated", {**fields, "subtotal_price": "9.00", "total_tax": "1.00", "line_items": lines})


def _shopify(topic: str, body: dict[str, Any]) -> Event:
    return Event("shopify", {"x-shopify-topic": topic, "x-shopify-shop-domain": "floe.example.com"}, body)


def _stripe(found: tuple[str, dict[str, Any], int]) -> Event:
    topic, data, created = found
    is_live = data.get("livemode", True)  # refunds do not say themselves
    body: dict[str, Any] = {"object": "event", "type": topic, "created": created, "livemode": is_live}
    body["data"] = {"object": data}
    return Event("stripe", {}, {**body, "id": f"evt_{sha256(msgspec.json.encode(body)).hexdigest()[:24]}"})


def _change(found: tuple[tuple[str, str | None], tuple[str, Any], int, int, int]) -> dict[str, Any]:
    (record, type_id), (kind, value), object_id, occurred, event_id = found
    body: dict[str, Any] = {
        "eventId": event_id,
        "portalId": 62515,
        "subscriptionType": f"{record}.{kind}",
        "objectId": object_id,
        "occurredAt": occurred * 1000,
        "attemptNumber": 0,
    }
    if type_id is not None:
        body["objectTypeId"] = type_id
    if kind == "propertyChange":
        body.update(propertyName=value[0], propertyValue=value[1] or "")
    if kind == "merge":
        body.update(primaryObjectId=value[0], mergedObjectIds=[value[1]], newObjectId=value[0])
    return body


def delivery(config: SourceConfig, event: Event, number: int) -> Delivery:
    """`event` as the door journals it; `number` makes its webhook id, so equal numbers are one delivery repeated."""
    headers = dict(event.headers)
    if event.source == "shopify":
        headers |= {"x-shopify-webhook-id": f"webhook-{number}", "x-shopify-triggered-at": _iso(START + number)}
    body = msgspec.json.encode(event.body)
    found = inspect(config, headers, body)
    received_at = (START + number) * 1_000_000
    return Delivery(event.source, found.delivery_id, received_at, msgspec.json.encode(headers), body, found.reason)
