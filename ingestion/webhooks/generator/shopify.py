"""Shopify's deliveries: headers, customers, addresses and privacy requests (the body is the bare object)."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import msgspec

from ingestion.webhooks.generator.ids import shopify_id, uuid
from ingestion.webhooks.generator.money import Shop, text
from ingestion.webhooks.generator.people import Address, Person, written_email, written_phone
from ingestion.webhooks.generator.request import Request

API_VERSION = "2026-07"
_encode = msgspec.json.Encoder().encode


def shopify_request(
    topic: str, shop: Shop, body: dict[str, Any], at: int, *what: int | str, test: bool = False
) -> Request:
    """A delivery of one topic; `what` makes its webhook id, and its event id together with nothing else."""
    headers = {
        "content-type": "application/json",
        "user-agent": "Shopify-Captain-Hook",
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": shop.domain,
        "x-shopify-api-version": API_VERSION,
        "x-shopify-webhook-id": uuid("webhook", topic, *what),
        "x-shopify-event-id": uuid("event", *what),
        "x-shopify-triggered-at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if test:
        headers["x-shopify-test"] = "true"
    key = body.get("id")
    return Request("shopify", headers, _encode(body), keys=() if key is None else (str(key),))


def customer_body(
    seed: int, who: Person, shop: Shop, created_at: int, updated_at: int, *, state: str = "enabled", orders: int = 0
) -> dict[str, Any]:
    """The REST customer."""
    customer_id = shopify_id("customer", seed, who.number)
    return {
        "id": customer_id,
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer_id}",
        "email": written_email(who, "shopify"),
        "created_at": stamp(created_at, shop),
        "updated_at": stamp(updated_at, shop),
        "first_name": who.first_name,
        "last_name": who.last_name,
        "orders_count": orders,
        "state": state,
        "total_spent": text(0, shop.currency),
        "last_order_id": None,
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "tags": "newsletter" if who.number % 2 else "",
        "last_order_name": None,
        "currency": shop.currency.code,
        "phone": written_phone(who, "shopify") if who.number % 3 else None,
        "addresses": [],
        "tax_exemptions": [],
        "email_marketing_consent": {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": None},
        "sms_marketing_consent": None,
        "default_address": {
            "id": shopify_id("address", seed, who.number),
            "customer_id": customer_id,
            **address_body(who, who.address),
            "province_code": who.address.province_code or None,
            "default": True,
        },
    }


def privacy_body(who: Person, seed: int, shop: Shop, orders: tuple[int, ...], topic: str) -> dict[str, Any]:
    """A compliance request; `shop/redact` names no person."""
    body: dict[str, Any] = {"shop_id": shop.shop_id, "shop_domain": shop.domain}
    if topic == "shop/redact":
        return body
    customer_id = shopify_id("customer", seed, who.number)
    body["customer"] = {
        "id": customer_id,
        "email": written_email(who, "shopify"),
        "phone": written_phone(who, "shopify"),
    }
    if topic == "customers/redact":
        return body | {"orders_to_redact": list(orders)}
    return body | {"orders_requested": list(orders), "data_request": {"id": 9_000_000 + who.number}}


def stamp(at: int | None, shop: Shop) -> str | None:
    """Epoch seconds as ISO 8601 with the shop's offset."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, _zone(shop.offset_minutes)).isoformat()


def address_body(who: Person, address: Address) -> dict[str, Any]:
    """A postal address; the telephone number often stands only here."""
    return {
        "first_name": who.first_name,
        "address1": address.line1,
        "phone": written_phone(who, "address"),
        "city": address.city,
        "zip": address.postal_code,
        "province": address.province or None,
        "country": address.country,
        "last_name": who.last_name,
        "address2": address.line2,
        "company": None,
        "latitude": None,
        "longitude": None,
        "name": who.name,
        "country_code": address.country_code,
        "province_code": address.province_code or None,
    }


@lru_cache
def _zone(offset_minutes: int) -> timezone:
    return timezone(timedelta(minutes=offset_minutes))
