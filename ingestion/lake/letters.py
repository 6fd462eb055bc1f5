"""A delivery as a Kafka message: the body is the value, as received; all else is in headers."""

from collections.abc import Sequence

from confluent_kafka import Message

from ingestion.webhooks.journal import Delivery

_SOURCE, _ID, _AT, _KEPT, _REASON = "frazil-source", "frazil-id", "frazil-at", "frazil-headers", "frazil-reason"
QUARANTINE_TOPIC = "quarantine"  # behind the source's name: deliveries that the door found unfit
BATCH_TOPIC = "events"  # behind the source's name: bodies with several events


def headers_of(delivery: Delivery) -> list[tuple[str, str | bytes | None]]:
    """Everything but the body."""
    found: list[tuple[str, str | bytes | None]] = [
        (_SOURCE, delivery.source.encode()),
        (_ID, delivery.delivery_id),
        (_AT, str(delivery.received_at).encode()),
        (_KEPT, delivery.headers),
    ]
    return found if delivery.reason is None else [*found, (_REASON, delivery.reason.encode())]


def delivery_of(message: Message, source: str, headers: bytes) -> Delivery:
    """The delivery of a message; one of another producer has the `source` and `headers` given, and its own time."""
    found = dict(message.headers() or ())
    body = message.value() or b""
    at = found.get(_AT)
    if at is None or _SOURCE not in found:
        return Delivery(source, b"", message.timestamp()[1] * 1_000, headers, body, None)
    reason = found.get(_REASON)
    return Delivery(
        _bytes(found[_SOURCE]).decode(),
        _bytes(found.get(_ID)),
        int(_bytes(at)),
        _bytes(found.get(_KEPT)) or headers,
        body,
        _bytes(reason).decode() if reason is not None else None,
    )


def topic_of(source: str, is_batch: bool, object_name: str | None, reason: str | None) -> str:
    """Where a webhook's delivery goes: `shopify.orders`."""
    if reason is not None or (object_name is None and not is_batch):
        return f"{source}.{QUARANTINE_TOPIC}"
    return f"{source}.{BATCH_TOPIC if is_batch else object_name}"


def topics_of(source: str, is_batch: bool, objects: Sequence[str]) -> dict[str, str]:
    """All topics of a webhook source, and for each the table whose marks say how far it was read."""
    homes = {f"{source}.{QUARANTINE_TOPIC}": "metadata.quarantine"}
    if is_batch:
        return homes | {f"{source}.{BATCH_TOPIC}": f"raw.{source}_{objects[0]}"}
    return homes | {f"{source}.{name}": f"raw.{source}_{name}" for name in objects}


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
