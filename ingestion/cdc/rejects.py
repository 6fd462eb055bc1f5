"""Messages that cannot become rows, in `metadata.quarantine`, each once: with topic, partition, offset and bytes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ingestion.cdc.intake import Rejected
from ingestion.cdc.offsets import Offset, encoded_offset, key_of, stored_offset
from ingestion.errors import RetryableError
from ingestion.lake.append import AppendTable, MarkMovedError, Marks
from ingestion.lake.quarantine import COLUMNS, OPEN, QUARANTINE, quarantine_id
from ingestion.lake.tables import ensure_table

Place = tuple[str, int]
_TRIES = 30
_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell


class Quarantine:
    """The quarantine as the sink writes it; its marks say which messages are there already."""

    def __init__(self, catalog: Catalog, source: str, run_id: str) -> None:
        self._catalog, self._source, self._run_id = catalog, source, run_id
        self._table: AppendTable | None = None

    def start(self, place: Place) -> Offset | None:
        """How far a topic without a raw table was read."""
        table = self._opened()
        table.table.refresh()
        return stored_offset(table.table.properties, *place)

    def add(
        self, object_name: str, rejected: Mapping[Place, Sequence[Rejected]], offsets: Mapping[Place, Offset]
    ) -> int:
        """Append what is not there yet, and move the marks to `offsets`; returns how many that were.

        Another sink may be doing the same: then what it left out is added. Raises RetryableError as a commit does.
        """
        for _ in range(_TRIES):
            added = self._add(object_name, rejected, offsets)
            if added is not None:
                return added
        raise RetryableError(f"{QUARANTINE}: other sinks kept moving the marks of {', '.join(map(str, rejected))}")

    def move(self, place: Place, before: Offset | None, after: Offset) -> None:
        """Let the mark of a topic without a raw table be `after`, unless it is not what it was `before`."""

        def decide(stored: Table, files: object) -> Marks | None:
            if stored_offset(stored.properties, *place) != before:
                raise MarkMovedError(f"{QUARANTINE}: another sink has written {place[0]}/{place[1]}")
            return Marks({key_of(*place): encoded_offset(after)})

        self._opened().commit([], decide)

    def _add(
        self, object_name: str, rejected: Mapping[Place, Sequence[Rejected]], offsets: Mapping[Place, Offset]
    ) -> int | None:
        """None if a mark was moved meanwhile."""
        table = self._opened()
        table.table.refresh()
        before = {place: stored_offset(table.table.properties, *place) for place in rejected}
        rows = self._absent(table.table, object_name, rejected, before, offsets)
        if not rows:
            return 0
        marks = {
            key_of(*place): encoded_offset(offsets[place])
            for place in rejected
            if _known(before[place], offsets[place]) < offsets[place].next
        }
        columns = list(COLUMNS)[:-2]
        content = pa.Table.from_pylist(rows, schema=pa.schema(columns))
        with table.new_file(self._run_id) as writer:
            writer.write(content)
            written = writer.finish()

        def decide(stored: Table, files: object) -> Marks | None:
            same = all(stored_offset(stored.properties, *place) == mark for place, mark in before.items())
            return Marks(marks, (), {"frazil.run-id": self._run_id}) if same else None

        return len(rows) if table.commit([written], decide) else None

    def _absent(
        self,
        table: Table,
        object_name: str,
        rejected: Mapping[Place, Sequence[Rejected]],
        before: Mapping[Place, Offset | None],
        offsets: Mapping[Place, Offset],
    ) -> list[dict[str, Any]]:
        """Rows of messages that are not in the quarantine. Below its mark those are that were refused when they were
        read before; what was good then may be refused now."""
        rows: list[dict[str, Any]] = []
        doubtful: list[dict[str, Any]] = []
        for place, found in rejected.items():
            known = _known(before[place], offsets[place])
            for one in found:
                row = self._row(object_name, place, one, offsets[place].topic_id)
                (rows if one.letter.offset >= known else doubtful).append(row)
        if doubtful:
            ids = {row["quarantine_id"] for row in doubtful}
            there = table.scan(_BY_NAME.In("quarantine_id", ids), selected_fields=("quarantine_id",)).to_arrow()
            present = set(there["quarantine_id"].to_pylist())
            rows += [row for row in doubtful if row["quarantine_id"] not in present]
        return rows

    def _opened(self) -> AppendTable:
        if self._table is None:
            ensure_table(self._catalog, QUARANTINE, COLUMNS)
            self._table = AppendTable(self._catalog, QUARANTINE)
        return self._table

    def _row(self, object_name: str, place: Place, one: Rejected, topic_id: str) -> dict[str, Any]:
        topic, partition = place
        where = {
            "partition": partition,
            "offset": one.letter.offset,
            "key": None if one.letter.key is None else one.letter.key.decode("utf-8", "replace"),
        }
        return {
            "quarantine_id": quarantine_id(f"kafka:{topic}/{partition}:{topic_id}", one.letter.offset, 0),
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


def _known(mark: Offset | None, reached: Offset) -> int:
    """Up to where messages of the same topic were dealt with."""
    return mark.next if mark is not None and mark.topic_id == reached.topic_id else 0
