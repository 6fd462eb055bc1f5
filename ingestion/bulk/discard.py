"""Rows that a table's contract `discard_row` leaves out: kept in the quarantine, each once however often it is met."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import Snapshot
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.lake.append import AppendTable
from ingestion.lake.quarantine import COLUMNS, OPEN, QUARANTINE
from ingestion.lake.tables import ensure_table

REASON = "contract"
_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell
_WHOLE = Chunk("discarded", "", 0, 0)


def discard(
    catalog: Catalog, source: str, table: SourceTable, readable: SourceTable, snapshot: Snapshot, run_id: str
) -> int:
    """Quarantine the rows of `table` that `readable` leaves out, before anything else is read; how many there are.

    A row is known by its values and which of equal rows it is: a load that is repeated adds none twice.
    """
    if not readable.watched:
        return 0
    outside = replace(table, watched=readable.watched, takes_watched=True)
    name = table.raw_name.removeprefix("raw.").removeprefix(f"{source}_")
    ensure_table(catalog, QUARANTINE, COLUMNS)
    known = _known(catalog, source, name)
    seen: Counter[str] = Counter()
    writer = AppendTable(catalog, QUARANTINE)
    with snapshot.reader() as reader:
        reader.hold(outside)
        for batch in reader.read(outside, _WHOLE):
            rows = []
            for values in batch.to_pylist():
                body = json.dumps(values, default=_text, ensure_ascii=False)
                seen[body] += 1
                identity = sha256(f"{table.raw_name};{body};{seen[body]}".encode()).hexdigest()[:32]
                if identity not in known:
                    rows.append(_row(identity, source, name, readable, body))
            if rows:
                schema = pa.schema(list(COLUMNS)[:-2])
                writer.append(pa.Table.from_pylist(rows, schema=schema), run_id, {})
    return seen.total()


def _known(catalog: Catalog, source: str, name: str) -> set[str]:
    of_the_table = expressions.And(_BY_NAME.EqualTo("source", source), _BY_NAME.EqualTo("object", name))
    scan = catalog.load_table(QUARANTINE).scan(of_the_table, selected_fields=("quarantine_id",))
    return set(scan.to_arrow()["quarantine_id"].to_pylist())


def _row(identity: str, source: str, name: str, readable: SourceTable, body: str) -> dict[str, Any]:
    return {
        "quarantine_id": identity,
        "source": source,
        "object": name,
        "topic": "bulk",
        "reason": REASON,
        "detail": f"outside the contract: {', '.join(readable.watched)}",
        "state": OPEN,
        "received_at": datetime.now(UTC),
        "headers": "",
        "body": body.encode(),
        "is_sample": False,
    }


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
