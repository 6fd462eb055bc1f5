"""Row counts of the lake's newest complete copies against the source's, and what is missing on either side."""

from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.bulk.dialects.base import Dialect, Reader
from ingestion.bulk.marks import marks_of, newest_complete
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.reconcile import run_filter


@dataclass(frozen=True)
class Validated:
    """One table. `source_rows` are as now, `loaded_rows` as the load counted, `lake_rows` as they are in the lake.

    `status`: ok (the lake has what was loaded), missing, unfinished, or different.
    """

    table: str
    source_table: str
    status: str
    source_rows: int | None
    loaded_rows: int | None
    lake_rows: int | None
    consistency: str | None

    @property
    def is_good(self) -> bool:
        return self.status == "ok"


def validated(catalog: Catalog, dialect: Dialect, reader: Reader, table: SourceTable) -> Validated:
    """Count one table on both sides."""
    names = table.raw_name, f"{table.schema}.{table.name}"
    every = dialect.select(table, Chunk("all", "", 0, 0))
    source_rows = int(reader.fetch(f"select count(*) from ({every}) counted")[0][0])
    try:
        stored = catalog.load_table(table.raw_name)
    except NoSuchTableError:
        return Validated(*names, "missing", source_rows, None, None, None)
    newest = newest_complete(stored)
    if newest is None:
        status = "unfinished" if marks_of(stored) else "missing"
        return Validated(*names, status, source_rows, None, None, None)
    run_id, mark = newest
    lake_rows = stored.scan(row_filter=run_filter(run_id)).count()
    status = "ok" if lake_rows == mark.rows else "different"
    return Validated(*names, status, source_rows, mark.rows, lake_rows, mark.consistency)
