"""The raw tables of polled rows, as the sink knows them: found when their first row comes, looked at again when a row
has a column that they did not have."""

import time
from collections.abc import Callable, MutableMapping

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import schema_to_pyarrow

from ingestion.bulk.naming import PLATFORM_COLUMNS
from ingestion.bulk.rows import with_platform_columns
from ingestion.lake.append import AppendTable, now

_AGAIN_AFTER = 5.0  # seconds between two looks for the sake of a column that is not there
_PLAIN = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}


class PolledTables:
    """Adds tables to the sink's own `schemas` and `tables`, and replaces them there when they have grown."""

    def __init__(
        self,
        catalog: Catalog,
        schemas: MutableMapping[str, pa.Schema],
        tables: MutableMapping[str, AppendTable],
        clock: Callable[[], int] = now,
    ) -> None:
        self._catalog, self._schemas, self._tables, self._clock = catalog, schemas, tables, clock
        self._sought: dict[tuple[str, frozenset[str]], float] = {}

    def columns(self, name: str, wanted: frozenset[str]) -> pa.Schema | None:
        """All columns of a raw table, the source's first; None where there is no such table."""
        known = self._schemas.get(name)
        missing = wanted if known is None else wanted.difference(known.names)
        if known is not None and not missing:
            return known
        asked = self._sought.get((name, missing), float("-inf"))
        if known is not None and time.monotonic() - asked < _AGAIN_AFTER:
            return known
        self._sought[name, missing] = time.monotonic()
        try:
            table = AppendTable(self._catalog, name, self._clock)
        except NoSuchTableError:
            return None
        found = with_platform_columns(_own_columns(table))
        if known is None or not known.equals(found):
            self._schemas[name], self._tables[name] = found, table
        return self._schemas[name]


def _own_columns(table: AppendTable) -> pa.Schema:
    stored = schema_to_pyarrow(table.table.schema(), include_field_ids=False)
    return pa.schema(
        [pa.field(one.name, _PLAIN.get(one.type, one.type)) for one in stored if one.name not in PLATFORM_COLUMNS]
    )
