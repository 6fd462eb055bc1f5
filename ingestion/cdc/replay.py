"""Another try at quarantined messages of a change stream, in the columns and with the types of today."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, BooleanExpression

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.envelope import Envelope, decoded
from ingestion.cdc.followed import Tables
from ingestion.cdc.intake import Intake, Letter, Partition
from ingestion.cdc.positions import Last
from ingestion.errors import FrazilError
from ingestion.lake.append import AppendTable

_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell


class Where(msgspec.Struct):
    """What the quarantine's `headers` say of a message."""

    partition: int
    offset: int
    key: str | None = None


@dataclass(frozen=True)
class Readable:
    """The rows of one message; none if a copy holds its effect already."""

    table: str
    rows: pa.Table | None


class StreamReplay:
    """Reads quarantined messages of the databases in config/sources.yaml."""

    def __init__(self, catalog: Catalog, databases: Mapping[str, DatabaseSource], run_id: str) -> None:
        self._catalog, self._databases, self._run_id = catalog, databases, run_id
        self._tables: dict[str, Tables] = {}

    def is_of_stream(self, row: Mapping[str, Any]) -> bool:
        """Whether a quarantine row is a message of a change stream."""
        return row["source"] in self._databases

    def read(self, row: Mapping[str, Any]) -> Readable | None:
        """What the message is today; None if it still cannot be read."""
        try:
            return self._read(row)
        except (FrazilError, msgspec.MsgspecError, ValueError):
            return None

    def _read(self, row: Mapping[str, Any]) -> Readable | None:
        source = self._databases[row["source"]]
        where = msgspec.json.decode(row["headers"] or "{}", type=Where)
        letter = Letter(where.offset, where.key.encode() if where.key else None, row["body"], 0)
        [event] = decoded([row["body"] or b""])
        if not isinstance(event, Envelope):
            return None
        schema = event.source.schema or event.source.db or ""
        tables = self._tables.setdefault(
            source.name, Tables(self._catalog, source, by_name(source.dialect), source.name)
        )
        tables.look_again()
        followed = tables.get(schema, event.source.table)
        if followed is None:
            return None
        ranking, intake = followed.look(source.dialect), Intake(followed, schema, event.source.table)
        partition = Partition(row["topic"], where.partition)
        number = _number(row["_event_id"])
        if number > 1:
            _, first = ranking.place(event.source, partition.last)
            partition.last = Last(first.commit, first.place, number - 1)
        changes, taken = intake.changes(partition, [letter], ranking)
        intake.rows(changes, [letter], taken)
        return None if taken.rejected else Readable(followed.name, taken.rows)

    def append(self, table: str, rows: list[pa.Table], since: datetime | None) -> int:
        """Append the rows whose event is not in the table yet; how many that were."""
        content = pa.concat_tables(rows, promote_options="permissive")
        raw = AppendTable(self._catalog, table)
        known: BooleanExpression = _BY_NAME.In("_event_id", set(content["_event_id"].to_pylist()))
        if since is not None:
            known = And(_BY_NAME.GreaterThanOrEqual("_loaded_at", since.isoformat()), known)
        present = raw.table.scan(known, selected_fields=("_event_id",)).to_arrow()["_event_id"]
        fresh = content.filter(pc.invert(pc.is_in(content["_event_id"], present.combine_chunks().cast(pa.string()))))
        if fresh.num_rows:
            raw.append(fresh, self._run_id, {})
        return int(fresh.num_rows)


def _number(event_id: str | None) -> int:
    """Which of the rows of one place in the log an event is: `shop_orders:00000000027832C0-752-1-0c`."""
    parts = (event_id or "").split("-")
    return int(parts[-2]) if len(parts) >= 4 and parts[-2].isdigit() else 1
