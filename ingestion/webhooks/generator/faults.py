"""What goes wrong between the systems and us: repeats, lateness, forgeries and broken bodies."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import msgspec

from ingestion.webhooks.generator.hubspot import hubspot_request
from ingestion.webhooks.generator.ids import seeded, token, uuid
from ingestion.webhooks.generator.request import Outcome, Request, Signing

_REPEATED_WITHIN, _LATE_BY = 300, 500


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of the genuine requests; `repeated`, `forged`, `broken` and `unknown` ones come on top of them."""

    repeated: float = 0.03
    late: float = 0.03
    forged: float = 0.02
    broken: float = 0.015
    unknown: float = 0.01

    @classmethod
    def none(cls) -> "Faults":
        """Only genuine requests, each once and in order."""
        return cls(0, 0, 0, 0, 0)


def disturbed(genuine: Iterator[Request], seed: int, faults: Faults) -> Iterator[Request]:
    """`genuine` with faults; a repeat follows its original, and a late request is overtaken by up to 500 others."""
    rng = seeded(seed, "faults")
    held: list[tuple[int, int, Request]] = []
    tie = count()
    numbers = count(1)

    def due(place: int | None) -> Iterator[Request]:
        while held and (place is None or held[0][0] <= place):
            yield heappop(held)[2]

    for place, request in enumerate(genuine):
        yield from due(place)
        if rng.random() < faults.late:
            heappush(held, (place + rng.randrange(2, _LATE_BY), next(tie), replace(request, remark="late")))
            continue
        yield request
        if rng.random() < faults.repeated:
            heappush(held, (place + rng.randrange(1, _REPEATED_WITHIN), next(tie), repeated(request)))
        if rng.random() < faults.forged:
            yield forged(request, rng)
        if rng.random() < faults.broken:
            yield broken(request, next(numbers), rng)
        if rng.random() < faults.unknown:
            yield unknown(request, next(numbers), rng)
    yield from due(None)


def repeated(request: Request) -> Request:
    """The sender did not hear our answer: the same delivery again. HubSpot counts its attempts in the body."""
    if request.source == "hubspot":
        elements = msgspec.json.decode(request.body)
        request = hubspot_request(elements, attempt=elements[0]["attemptNumber"] + 1)
    return replace(request, expected=Outcome.REPEATED, rows=0, rejects=0, remark="repeat")


def forged(request: Request, rng: Random) -> Request:
    """Someone who does not hold the secret; HubSpot and Stripe also sign the time."""
    ways = [Signing.WRONG_SECRET, Signing.MISSING, Signing.TAMPERED]
    if request.source != "shopify":
        ways.append(Signing.STALE)
    return replace(request, expected=Outcome.REFUSED, signing=rng.choice(ways), rows=0, remark="forged")


def unknown(request: Request, number: int, rng: Random) -> Request:
    """An event that nobody subscribed to on purpose."""
    if request.source == "shopify":
        topic = rng.choice(("themes/publish", "carts/update", "app/uninstalled"))
        headers = _shopify_headers(request, number, topic)
        return _quarantined(replace(request, headers=headers, body=b'{"id":%d}' % number), "unknown_topic")
    if request.source == "stripe":
        event = _stripe_event(request, number) | {"type": rng.choice(("invoice.finalized", "payout.paid"))}
        return _quarantined(replace(request, body=msgspec.json.encode(event)), "unknown_topic")
    deal = _elements(request)[0] | {"subscriptionType": "deal.creation", "objectId": 7_000_000_000 + number}
    return replace(hubspot_request([deal]), rows=0, rejects=1, remark="unknown_topic")


def broken(request: Request, number: int, rng: Random) -> Request:
    """Correctly signed, and yet not what it should be."""
    if rng.random() < 0.3:
        return _quarantined(_with_new_id(request, number, _cut_short(request.body, number)), "not_json")
    if request.source == "shopify":
        return _broken_shopify(request, number, rng)
    if request.source == "stripe":
        return _broken_stripe(request, number, rng)
    return _broken_hubspot(request, number, rng)


def _broken_shopify(request: Request, number: int, rng: Random) -> Request:
    body: dict[str, Any] = msgspec.json.decode(request.body)
    topic = request.headers["x-shopify-topic"]
    if topic.split("/")[0] == "orders" and "total_price" in body:
        way = rng.choice(("wrong_shape", "no_key", "no_time", "delete_with_content", "bad_value"))
        if way == "delete_with_content":
            headers = _shopify_headers(request, number, "orders/delete")
            return _quarantined(replace(request, headers=headers), way)
        if way == "bad_value":
            odd = msgspec.json.encode(body | {"total_price": "a lot", "id": body["id"] + 500})
            return replace(_with_new_id(request, number, odd), rows=0, rejects=1, remark=way)
        if way == "no_time":
            return _quarantined(_with_new_id(request, number, msgspec.json.encode(body | {"updated_at": None})), way)
    else:
        way = rng.choice(("wrong_shape", "no_key")) if "id" in body else "wrong_shape"
    if way == "wrong_shape":
        return _quarantined(_with_new_id(request, number, b'["not an object",%d]' % number), way)
    odd = msgspec.json.encode({**body, "id": None, "attempt": number})
    return _quarantined(_with_new_id(request, number, odd), "no_key")


def _broken_stripe(request: Request, number: int, rng: Random) -> Request:
    event = _stripe_event(request, number)
    way = rng.choice(("thin_event", "no_key", "bad_value"))
    if way == "thin_event":
        related = {"id": event["data"]["object"]["id"], "type": "billing.meter"}
        thin = {"id": event["id"], "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered"}
        return _quarantined(replace(request, body=msgspec.json.encode(thin | {"related_object": related})), way)
    if way == "no_key":
        event["data"]["object"]["id"] = None
        return _quarantined(replace(request, body=msgspec.json.encode(event)), way)
    event["data"]["object"] |= {"created": "yesterday"}
    return replace(request, body=msgspec.json.encode(event), rows=0, rejects=1, remark=way)


def _broken_hubspot(request: Request, number: int, rng: Random) -> Request:
    elements = _elements(request)
    if rng.random() < 0.4:
        return _quarantined(
            replace(request, body=msgspec.json.encode(elements[0] | {"eventId": number})), "wrong_shape"
        )
    elements = [element | {"occurredAt": element["occurredAt"] + 1_000 + number} for element in elements]
    elements.append({**elements[0], "objectId": None, "eventId": 8_000_000_000 + number})
    good = len(elements) - 1
    return replace(hubspot_request(elements), rows=good, rejects=1, remark="no_key")


def _quarantined(request: Request, reason: str) -> Request:
    return replace(request, expected=Outcome.QUARANTINED, rows=0, rejects=1, remark=reason)


def _cut_short(body: bytes, number: int) -> bytes:
    """Half a body, and no two alike."""
    return b'{"part":%d,' % number + body[1 : max(2, len(body) // 2)]


def _with_new_id(request: Request, number: int, body: bytes) -> Request:
    headers = request.headers
    if request.source == "shopify":
        headers = _shopify_headers(request, number, headers["x-shopify-topic"])
    return replace(request, headers=headers, body=body)


def _shopify_headers(request: Request, number: int, topic: str) -> dict[str, str]:
    identity = uuid("broken", request.headers["x-shopify-webhook-id"], number)
    return {**request.headers, "x-shopify-topic": topic, "x-shopify-webhook-id": identity}


def _stripe_event(request: Request, number: int) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode(request.body)
    return event | {"id": token("evt_1", 23, "broken", event["id"], number)}


def _elements(request: Request) -> list[dict[str, Any]]:
    elements: list[dict[str, Any]] = msgspec.json.decode(request.body)
    return elements
