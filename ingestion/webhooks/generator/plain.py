"""Plain orders by the million, and who buys them: small bodies from one template, for tests and benchmarks."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from ingestion.webhooks.generator.ids import shopify_id
from ingestion.webhooks.generator.orders import START
from ingestion.webhooks.journal import Delivery

PEOPLE_PER_ORDER = 0.25
_SHOP = "icehouse-us.example.com"
_SECONDS_BETWEEN = 20
_BODY = (
    '{{"id":{order_id},"admin_graphql_api_id":"gid://shopify/Order/{order_id}","cancelled_at":null,'
    '"created_at":"{created}","currency":"USD","email":"{email}","financial_status":"{status}",'
    '"fulfillment_status":null,"name":"#{number}","note_attributes":[],"order_number":{number},"phone":null,'
    '"processed_at":"{created}","source_name":"web","subtotal_price":"{subtotal}","tags":"","taxes_included":false,'
    '"test":false,"total_discounts":"0.00","total_price":"{total}","total_shipping_price_set":{{"shop_money":'
    '{{"amount":"5.00","currency_code":"USD"}},"presentment_money":{{"amount":"5.00","currency_code":"USD"}}}},'
    '"total_tax":"0.00","updated_at":"{updated}","customer":{{"id":{customer_id},"email":"{email}",'
    '"first_name":"Plain","last_name":"Person{person}","phone":"{phone}"}},"billing_address":{address},'
    '"shipping_address":{address},"line_items":[{lines}],"refunds":[],"shipping_lines":[],"tax_lines":[]}}'
)
_CUSTOMER = (
    '{{"id":{customer_id},"admin_graphql_api_id":"gid://shopify/Customer/{customer_id}","email":"{email}",'
    '"phone":"{phone}","first_name":"Plain","last_name":"Person{person}","default_address":{address},"tags":"",'
    '"currency":"USD","state":"enabled","created_at":"{created}","updated_at":"{created}"}}'
)
_ADDRESS = (
    '{{"first_name":"Plain","address1":"1 Floe Street","phone":"{phone}","city":"Duluth","zip":"55802",'
    '"province":"Minnesota","country":"United States","last_name":"Person{person}","country_code":"US",'
    '"province_code":"MN"}}'
)
_LINE = (
    '{{"id":{line_id},"name":"Thermos","price":"{price}","product_id":632910392,"quantity":{quantity},'
    '"sku":"ICE-001-01","title":"Thermos","total_discount":"0.00","variant_id":808950810,"tax_lines":[],'
    '"discount_allocations":[]}}'
)


def plain_orders(first: int, count: int, *, version: int = 0, orders: int | None = None) -> Iterator[Delivery]:
    """Orders `first` to `first + count` as deliveries that the door let through, about 1.5 KB each.

    A higher `version` of an order is later, has another price and is told by `orders/updated`. `orders` is how
    many orders the whole benchmark has (default `first + count`): a quarter as many people buy them.
    """
    people = max(1, int((first + count if orders is None else orders) * PEOPLE_PER_ORDER))
    topic = "orders/updated" if version else "orders/create"
    for number in range(first, first + count):
        headers = {
            "x-shopify-topic": topic,
            "x-shopify-shop-domain": _SHOP,
            "x-shopify-api-version": "2026-07",
            "x-shopify-webhook-id": f"plain-{number}-{version}",
        }
        delivery_id = b"plain-%d-%d" % (number, version)
        body = plain_body(number, people, version).encode()
        yield Delivery("shopify", delivery_id, _moment(number, version) * 1_000_000, _headers(headers), body, None)


def plain_customers(first: int, count: int) -> Iterator[Delivery]:
    """The people `first` to `first + count` who buy plain orders, each as the shop tells of a new one."""
    for person in range(first, first + count):
        headers = {
            "x-shopify-topic": "customers/create",
            "x-shopify-shop-domain": _SHOP,
            "x-shopify-api-version": "2026-07",
            "x-shopify-webhook-id": f"plain-person-{person}",
        }
        phone = _phone(person)
        body = _CUSTOMER.format(
            customer_id=shopify_id("customer", 1, person),
            email=_email(person),
            phone=phone,
            person=person,
            address=_ADDRESS.format(phone=phone, person=person),
            created=_stamp(START),
        )
        yield Delivery(
            "shopify", b"plain-person-%d" % person, START * 1_000_000, _headers(headers), body.encode(), None
        )


def plain_body(number: int, people: int, version: int) -> str:
    """One order of one or two lines; the same arguments give the same text."""
    person = number * 7_919 % people
    phone = _phone(person)
    prices = [500 + (number * 613 + version * 101 + part * 37) % 9_000 for part in range(1 + number % 2)]
    subtotal = sum(price * (1 + part) for part, price in enumerate(prices))
    lines = ",".join(
        _LINE.format(line_id=shopify_id("line", 1, number, part), price=_money(price), quantity=1 + part)
        for part, price in enumerate(prices)
    )
    return _BODY.format(
        order_id=shopify_id("order", 1, number),
        number=1_000 + number,
        created=_stamp(_moment(number, 0)),
        updated=_stamp(_moment(number, version)),
        email=_email(person),
        status="paid" if number % 10 else "pending",
        subtotal=_money(subtotal),
        total=_money(subtotal + 500),
        customer_id=shopify_id("customer", 1, person),
        person=person,
        phone=phone,
        address=_ADDRESS.format(phone=phone, person=person),
        lines=lines,
    )


_headers = msgspec.json.Encoder().encode


def _phone(person: int) -> str:
    return f"+1555{2_000_000 + person:07d}"


def _email(person: int) -> str:
    return f"plain.person.{person}@example.com"


def _moment(number: int, version: int) -> int:
    return START + number * _SECONDS_BETWEEN + version * 86_400


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
