"""A table to append to, and a clock that goes where a test sets it."""

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.lake.tables import LOADED_AT, RUN_ID, ensure_table

COLUMNS = pa.schema([pa.field("id", pa.string()), pa.field("_payload", pa.string()), LOADED_AT, RUN_ID])


class Clock:
    """Microseconds since 1970, as set."""

    def __init__(self) -> None:
        self.now = 1_767_225_600_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(catalog: Catalog) -> str:
    """The name of an empty table with columns `id` and `_payload`."""
    ensure_table(catalog, "raw.lab_things", COLUMNS)
    return "raw.lab_things"


def things(*ids: str) -> pa.Table:
    """Rows for `table`."""
    return pa.table({"id": list(ids), "_payload": ["{}"] * len(ids)})
