"""Messages that cannot become rows, in `metadata.quarantine`, each once: with topic, partition, offset and bytes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ingestion.cdc.intake import Rejected
from ingestion.cdc.offsets import Offset, encoded_offset, key_of, stored_offset
from ingestion.lake.append import AppendTable, Marks
from ingestion.lake.quarantine import COLUMNS, OPEN, QUARANTINE, quarantine_id
from ingestion.lake.tables import ensure_table

Place = tuple[str, int]


class Quarantine:
    """The quarantine as the sink writes it; its marks say which messages are there already."""

    def __init__(self, catalog: Catalog, source: str, run_id: str) -> None:
        self._catalog, self._source, self._run_id = catalog, source, run_id
        self._table: AppendTable | None = None

    def start(self, place: Place) -> Offset | None:
        """How far a topic without a raw table was read."""
        table = self._opened()
        return stored_offset(table.table.properties, *place)

    def add(
        self, object_name: str, rejected: Mapping[Place, Sequence[Rejected]], offsets: Mapping[Place, Offset]
    ) -> int:
        """Append what is not there yet, and move the marks to `offsets`; returns how many that were."""
        table = self._opened()
        table.table.refresh()
        before = {place: stored_offset(table.table.properties, *place) for place in rejected}
        rows = [
            self._row(object_name, place, one)
            for place, found in rejected.items()
            for one in found
            if (mark := before[place]) is None
            or mark.topic_id != offsets[place].topic_id
            or one.letter.offset >= mark.next
        ]
        if not rows:
            return 0
        marks = {key_of(*place): encoded_offset(offset) for place, offset in offsets.items() if place in rejected}
        columns = list(COLUMNS)[:-2]
        content = pa.Table.from_pylist(rows, schema=pa.schema(columns))
        with table.new_file(self._run_id) as writer:
            writer.write(content)
            written = writer.finish()

        def decide(stored: Table, files: object) -> Marks | None:
            same = all(stored_offset(stored.properties, *place) == mark for place, mark in before.items())
            return Marks(marks, (), {"frazil.run-id": self._run_id}) if same else None

        done = table.commit([written], decide)
        return len(rows) if done else 0

    def _opened(self) -> AppendTable:
        if self._table is None:
            ensure_table(self._catalog, QUARANTINE, COLUMNS)
            self._table = AppendTable(self._catalog, QUARANTINE)
        return self._table

    def _row(self, object_name: str, place: Place, one: Rejected) -> dict[str, Any]:
        topic, partition = place
        where = {
            "partition": partition,
            "offset": one.letter.offset,
            "key": None if one.letter.key is None else one.letter.key.decode("utf-8", "replace"),
        }
        return {
            "quarantine_id": quarantine_id(f"kafka:{topic}/{partition}", one.letter.offset, 0),
            "source": self._source,
            "object": object_name,
            "topic": topic,
            "reason": one.reason,
            "detail": one.detail,
            "state": OPEN,
            "received_at": datetime.fromtimestamp(one.letter.at / 1_000_000, UTC),
            "headers": msgspec.json.encode(where).decode(),
            "body": one.letter.value,
            "is_sample": False,
            "_event_id": one.event_id,
        }
