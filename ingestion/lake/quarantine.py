"""`metadata.quarantine`: what could not become a raw row, with its reason and its bytes; append-only."""

from hashlib import sha256
from typing import Any

import pyarrow as pa

from ingestion.lake.tables import LOADED_AT, RUN_ID, TIMESTAMP
from ingestion.reasons import SIGNATURE
from ingestion.webhooks.events import Rejected

QUARANTINE = "metadata.quarantine"
OPEN, REPLAYED = "open", "replayed"
SAMPLE_REASON = SIGNATURE

COLUMNS = pa.schema(
    [
        pa.field("quarantine_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("object", pa.string()),
        pa.field("topic", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("state", pa.string()),
        pa.field("received_at", TIMESTAMP),
        pa.field("headers", pa.string()),
        pa.field("body", pa.binary()),
        pa.field("is_sample", pa.bool_()),
        pa.field("_event_id", pa.string()),
        LOADED_AT,
        RUN_ID,
    ]
)


def quarantine_id(journal_id: str, seq: int, place: int) -> str:
    """The id of the `place`-th event of one journal entry; the same whenever the entry is read again."""
    return sha256(f"{journal_id};{seq};{place}".encode()).hexdigest()[:32]


def quarantine_row(identity: str, rejected: Rejected) -> tuple[Any, ...]:
    """An open row in the order of COLUMNS, without the last two.

    A sample of requests with a wrong signature says nothing about its sender and is never replayed.
    """
    return (
        identity,
        rejected.source,
        rejected.object,
        rejected.topic,
        rejected.reason,
        rejected.detail,
        OPEN,
        rejected.received_at,
        rejected.headers.decode("utf-8", "replace"),
        rejected.body,
        rejected.reason == SAMPLE_REASON,
        rejected.event_id,
    )
