"""Polled rows on their way from the bus into raw: JSON into the columns that the raw table has now."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa

from ingestion.bulk.rows import OVERFLOW
from ingestion.lake.tables import LOADED_AT, RUN_ID
from ingestion.poll.message import RowReader, decoded
from ingestion.poll.poller import POLL, PROPERTY, Note
from ingestion.reasons import BAD_VALUE, NOT_JSON, UNKNOWN_TABLE, Reason
from ingestion.webhooks.events import RawRow, Rejected
from ingestion.webhooks.journal import Delivery

_note = msgspec.json.Decoder(Note).decode
_PLATFORM = ("_event_id", "_op", "_load_type", "_position", "_source_at")

Columns = Callable[[str, frozenset[str]], pa.Schema | None]
"""All columns of a raw table ("raw.shop_orders"), after another look at it where it lacks some of the names."""


class PolledRows:
    """Splits the deliveries of polled sources, as `ingestion.webhooks.events.Reader` does those of webhooks.

    Every row's `_op` is `c`: whether there was an older row with its key cannot be seen. A name that raw has no column
    for goes to `_raw_overflow` with its value.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._readers: dict[str, tuple[pa.Schema, RowReader]] = {}

    def split(self, delivery: Delivery) -> list[RawRow | Rejected]:
        """One row, or why it is none."""
        note = _noted(delivery)
        event_id = note.event or f"{note.table}:{sha256(delivery.body).hexdigest()[:32]}"
        try:
            row = decoded(delivery.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return [self._rejected(delivery, note, event_id, NOT_JSON, str(error))]
        columns = self._columns(f"raw.{note.table}", frozenset(row))
        if columns is None:
            return [self._rejected(delivery, note, event_id, UNKNOWN_TABLE, f"there is no raw.{note.table}")]
        reader = self._reader(note.table, columns)
        strange = row.keys() - reader.names
        if strange:
            kept = {name: _text(row[name]) for name in sorted(strange) if row[name] is not None}
            row[OVERFLOW.name] = {**(row.get(OVERFLOW.name) or {}), **kept} or None
        try:
            values = reader.values(row)
        except ValueError as error:
            return [self._rejected(delivery, note, event_id, BAD_VALUE, str(error))]
        platform = (event_id, "c", POLL, note.position, delivery.received_at)
        notes = {PROPERTY: msgspec.json.encode(note.state).decode()} if note.state is not None else {}
        return [RawRow(note.table, (*values, *platform), notes)]

    def _reader(self, table: str, columns: pa.Schema) -> RowReader:
        found = self._readers.get(table)
        if found is None or found[0] is not columns:
            own = [one for one in columns if one.name not in (*_PLATFORM, LOADED_AT.name, RUN_ID.name)]
            found = self._readers[table] = columns, RowReader(pa.schema(own))
        return found[1]

    def _rejected(self, delivery: Delivery, note: Note, event_id: str, reason: Reason, detail: str) -> Rejected:
        return Rejected(
            delivery.source.partition("/")[2],
            reason,
            " ".join(detail.split())[:500],
            None,
            delivery.body,
            delivery.received_at,
            delivery.headers,
            event_id,
            note.table,
        )


def _noted(delivery: Delivery) -> Note:
    """A message of another producer says no more than its topic: its place is when it came."""
    note = _note(delivery.headers)
    if note.position:
        return note
    came = datetime.fromtimestamp(delivery.received_at / 1_000_000, UTC)
    return msgspec.structs.replace(note, position=f"@{came:%Y-%m-%d %H:%M:%S.%f}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
