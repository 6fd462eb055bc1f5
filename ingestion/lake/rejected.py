"""`metadata.rejected_rows`: what reached raw and breaks a rule of staging, told like the quarantine's rows."""

from collections.abc import Sequence
from typing import Any

import msgspec
from pyiceberg import expressions
from pyiceberg.catalog import Catalog

from ingestion.lake.replay import Selection

REJECTED = "metadata.rejected_rows"
LEFT_OUT = "left_out"
_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell


def is_rejected(identity: str) -> bool:
    """Whether an id is `<event>:<rule>`, of a row that staging left out: no id of the quarantine has a colon."""
    return ":" in identity


def rejected(catalog: Catalog, chosen: Selection) -> list[dict[str, Any]]:
    """One object per event and broken rule that fits, newest first, with the names of the quarantine's rows.

    `received_at` is when a build found it; `detail` names the record. None before the first build.
    """
    if chosen.state not in (None, LEFT_OUT) or not catalog.table_exists(REJECTED):
        return []
    found = []
    for row in catalog.load_table(REJECTED).scan().to_arrow().to_pylist():
        source, _, name = row["source_table"].removeprefix("raw.").partition("_")
        identity = f"{row['_event_id']}:{row['rule']}"
        fits = chosen.source in (None, source) and chosen.reason in (None, row["rule"])
        if fits and (not chosen.ids or identity in chosen.ids):
            found.append(
                {
                    "quarantine_id": identity,
                    "source": source,
                    "object": name,
                    "topic": None,
                    "reason": row["rule"],
                    "detail": f"{row['source_table']}, record {row['record_id']}",
                    "state": LEFT_OUT,
                    "received_at": row["_built_at"],
                    "is_sample": False,
                    "_event_id": row["_event_id"],
                    "_loaded_at": None,
                }
            )
    return sorted(found, key=lambda row: row["received_at"], reverse=True)


def rejected_event(catalog: Catalog, identity: str) -> dict[str, Any] | None:
    """The row of `rejected` with `headers` and `body` as the quarantine has them: the raw row's payload, or all of its
    columns where a table has none. None for an id that does not exist."""
    rows = rejected(catalog, Selection([identity]))
    if not rows:
        return None
    (row,) = rows
    table = catalog.load_table(f"raw.{row['source']}_{row['object']}")
    event = _BY_NAME.EqualTo("_event_id", row["_event_id"])
    stored: Sequence[dict[str, Any]] = table.scan(event).to_arrow().to_pylist()
    if not stored:
        return {**row, "headers": None, "body": b""}
    newest = max(stored, key=lambda found: found["_loaded_at"])
    payload = newest.get("_payload")
    body = payload.encode() if isinstance(payload, str) else msgspec.json.encode(newest)
    known = {"topic": newest.get("_webhook_topic"), "_loaded_at": newest["_loaded_at"]}
    return {**row, **known, "headers": None, "body": body}
