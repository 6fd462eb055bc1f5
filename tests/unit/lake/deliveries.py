"""Small deliveries for tests of the sink: good orders, batches, and what cannot be read."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.settings import Settings
from ingestion.webhooks.journal import Delivery, Journal

RECEIVED = 1_767_225_600_000_000  # 2026-01-01 in microseconds


def order(number: int, **fields: Any) -> Delivery:
    """Order `number` as Shopify sends it, cut down to a few fields; `fields` replaces some."""
    body = {
        "id": number,
        "email": f"person.{number}@example.com",
        "total_price": "12.50",
        "currency": "EUR",
        "created_at": "2026-01-01T10:00:00+01:00",
        "updated_at": "2026-01-01T10:00:00+01:00",
        **fields,
    }
    headers = {
        "x-shopify-topic": "orders/create",
        "x-shopify-shop-domain": "shop.example.com",
        "x-shopify-webhook-id": f"hook-{number}",
    }
    return _delivery("shopify", number, headers, json.dumps(body).encode())


def contacts(number: int, good: int = 2, bad: int = 1) -> Delivery:
    """A batch of HubSpot changes: `good` readable ones, then `bad` ones without the key."""
    events: list[dict[str, Any]] = [
        {
            "eventId": number * 100 + place,
            "subscriptionId": 1,
            "portalId": 7,
            "appId": 3,
            "occurredAt": 1_767_225_600_000 + place,
            "subscriptionType": "contact.creation",
            "attemptNumber": 0,
            "objectId": number * 100 + place,
            "extra": "text",
        }
        for place in range(good + bad)
    ]
    for event in events[good:]:
        del event["objectId"]
    return _delivery("hubspot", number, {}, json.dumps(events).encode())


def broken(number: int) -> Delivery:
    """A signed body that is not JSON."""
    return _delivery("shopify", number, {"x-shopify-topic": "orders/create"}, b'{"id": %d, oops' % number, "not_json")


def sample(number: int) -> Delivery:
    """A kept sample of a request whose signature was wrong."""
    return _delivery("shopify", number, {"x-shopify-topic": "orders/create"}, b'{"id": %d}' % number, "signature")


def journalled(settings: Settings, deliveries: list[Delivery], worker: str = "w0") -> None:
    """Append to the journal of `worker`, five to a commit."""
    with Journal.open(settings.journal_dir / f"{worker}.db") as journal:
        for first in range(0, len(deliveries), 5):
            journal.append(deliveries[first : first + 5])


def column(catalog: Catalog, table: str, name: str) -> list[Any]:
    """All values of one column, in no particular order."""
    values: list[Any] = catalog.load_table(table).scan(selected_fields=(name,)).to_arrow()[name].to_pylist()
    return values


def repeated(values: list[Any]) -> dict[Any, int]:
    """The values that occur more than once."""
    return {value: count for value, count in Counter(values).items() if count > 1}


def files_of(settings: Settings, table: str, ending: str) -> set[Path]:
    """The files of a table with that ending, whether a snapshot names them or not."""
    folder = settings.home_dir / "warehouse" / table.replace(".", "/")
    return set(folder.rglob(f"*{ending}"))


def _delivery(source: str, number: int, headers: dict[str, str], body: bytes, reason: str | None = None) -> Delivery:
    identity = f"{source}-{number}-{reason}".encode()
    return Delivery(source, identity, RECEIVED + number, json.dumps(headers).encode(), body, reason)
