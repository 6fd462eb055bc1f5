"""Any bytes, correctly signed, under any headers: always 200, always kept, always counted, never an exception."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.webhooks.answers import Answer
from ingestion.webhooks.door import Door, Lane, Stored
from ingestion.webhooks.events import RawRow, raw_schema, split
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.limits import Limits
from ingestion.webhooks.signatures import sign
from ingestion.webhooks.sources import SourceConfig
from ingestion.webhooks.worker import Worker

Sources = dict[str, SourceConfig]
NAMES = ["acme", "hubspot", "shopify", "stripe"]
KEYS = [
    "id", "updated_at", "created_at", "total_price", "order_number", "customer", "line_items", "test", "type", "data",
    "object", "created", "objectId", "occurredAt", "eventId", "subscriptionType", "portalId", "propertyValue",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1e400", "NaN", "orders/create", "\x00"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner)
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=10)
TEXTS = st.one_of(VALUES, EVENTS, st.lists(EVENTS, max_size=3)).map(lambda value: json.dumps(value).encode())
BODIES = st.one_of(
    st.binary(max_size=300),
    TEXTS,
    st.tuples(TEXTS, st.integers(0, 400), st.binary(max_size=3)).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] :]),
)
HEADER = st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n\0"), max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["x-shopify-topic", "shopify-topic", "x-shopify-webhook-id", "x-shopify-triggered-at", "user-agent"]
    ),
    st.one_of(HEADER, st.sampled_from(["orders/create", "orders/delete", "customers/update", "refunds/create"])),
)


class Kept:
    """Stands where the journal is and stores at once."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        self.deliveries.append(delivery)
        stored(True)


@pytest.fixture(scope="module")
def worker(sources: Sources) -> Iterator[Worker]:
    with tempfile.TemporaryDirectory() as folder:
        yield Worker(sources, Path(folder), base_url="https://x", limits=Limits())


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(NAMES), body=BODIES, headers=HEADERS)
@example(name="shopify", body=b"[" * 200_000, headers={})
@example(name="hubspot", body=b"[" * 200_000, headers={})
@example(name="hubspot", body=b'[{"a":' * 100_000, headers={})
@example(name="stripe", body=b'{"data":' * 100_000, headers={})
@example(name="shopify", body=b'{"id":' + b"9" * 5_000 + b"}", headers={"x-shopify-topic": "orders/create"})
def test_any_signed_bytes_are_answered_200_kept_and_counted(
    worker: Worker, sources: Sources, name: str, body: bytes, headers: dict[str, str]
) -> None:
    source = sources[name]
    kept = Kept()
    door = Door(sources.values(), "https://x", worker.limits, worker.counters, kept, lambda: True)
    signed = {**headers, **sign(source, body, time.time(), base_url="https://x")}
    pairs = [(key.encode(), value.encode("latin-1")) for key, value in signed.items()]
    request = door.request(b"POST", f"/webhooks/{name}".encode(), pairs)
    answers: list[Answer] = []

    lane = door.enter(request)
    assert isinstance(lane, Lane)
    door.take(lane, request, body, answers.append)

    assert [answer.status for answer in answers] == [200]
    (delivery,) = kept.deliveries
    assert delivery.body == body
    for result in split(source, delivery):
        if isinstance(result, RawRow):
            schema = raw_schema(source, result.table.split("_", 1)[1])
            for value, field in zip(result.values, schema, strict=False):
                pa.array([value], field.type)
        else:
            assert result.reason
            assert result.body in body
    assert (delivery.reason is not None) == (b"quarantined" in answers[0].head)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(NAMES), body=BODIES, flip=st.integers(0, 10_000))
def test_one_changed_bit_of_any_signed_body_is_refused(
    worker: Worker, sources: Sources, name: str, body: bytes, flip: int
) -> None:
    kept = Kept()
    door = Door(sources.values(), "https://x", worker.limits, worker.counters, kept, lambda: False)
    signed = sign(sources[name], body, time.time(), base_url="https://x")
    changed = bytearray(body or b"\0")
    changed[flip % len(changed)] ^= 1 << flip % 8
    pairs = [(key.encode(), value.encode()) for key, value in signed.items()]
    request = door.request(b"POST", f"/webhooks/{name}".encode(), pairs)
    answers: list[Answer] = []

    lane = door.enter(request)
    assert isinstance(lane, Lane)
    door.take(lane, request, bytes(changed), answers.append)

    assert [answer.status for answer in answers] == [401]
    assert not kept.deliveries
