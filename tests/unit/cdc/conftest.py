"""A followed table of one made-up source, in a real lake."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.rows import stored_columns
from ingestion.cdc.followed import Followed
from ingestion.cdc.form import form_of
from ingestion.cdc.intake import Letter
from ingestion.cdc.rows import RowBuilder
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import ensure_table

COLUMNS = (
    Column("id", "bigint", pa.field("id", pa.int64())),
    Column("amount", "numeric(10,2)", pa.field("amount", pa.decimal128(10, 2)), can_overflow=True),
    Column("note", "text", pa.field("note", pa.string())),
)


@pytest.fixture
def followed(catalog: Catalog) -> Callable[..., Followed]:
    """`raw.shop_orders` as the sink follows it; `key` empty: without one."""

    def of(key: tuple[str, ...] = ("id",)) -> Followed:
        table = SourceTable("public", "orders", "raw.shop_orders", COLUMNS, key)
        ensure_table(catalog, table.raw_name, stored_columns(table))
        form = form_of(table)
        return Followed(form, RowBuilder("postgres", form), AppendTable(catalog, table.raw_name))

    return of


def letter(offset: int, op: str = "c", row: dict[str, Any] | None = None, **more: Any) -> Letter:
    """A message as Debezium writes it, made at `offset`; `more` replaces parts of the event or of its source."""
    lsn = 1000 + 8 * offset
    source = {"schema": "public", "table": "orders", "lsn": lsn, "txId": 7, "sequence": f'["{lsn - 4}","{lsn}"]'}
    source |= {"ts_ms": 1_700_000_000_000, "ts_us": 1_700_000_000_000_000 + offset}
    source |= {name: more.pop(name) for name in list(more) if name in source}
    row = {"id": offset, "amount": "1.50", "note": "n"} if row is None else row
    event: dict[str, Any] = {"op": op, "before": None, "after": None, "source": source}
    event |= {"before": row} if op == "d" else {"after": row} if op != "t" else {}
    event |= more
    key = json.dumps({"id": row.get("id")}).encode() if row else None
    return Letter(offset, key, json.dumps(event).encode(), 0)
