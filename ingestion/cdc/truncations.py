"""Truncated tables in `metadata.bulk_runs`: staging takes each as a complete copy without rows."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog

from ingestion.bulk.state import RUNS, RUNS_COLUMNS
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import RUN_ID, ensure_table

PREFIX = "truncated-"


def list_truncations(catalog: Catalog, source: str, table: str, source_table: str, rows: pa.Table) -> int:
    """List those among `rows` (of a raw table) that are not listed yet; how many that were.

    To be called before the rows are committed: staging reads the list first.
    """
    is_truncation = pc.equal(rows["_op"], "t")
    if not pc.any(is_truncation).as_py():
        return 0
    found = rows.filter(is_truncation)
    ensure_table(catalog, RUNS, RUNS_COLUMNS)
    runs = AppendTable(catalog, RUNS)
    known = set(runs.table.scan(selected_fields=(RUN_ID.name,)).to_arrow()[RUN_ID.name].to_pylist())
    listed = 0
    for row in found.select(["_event_id", "_position", "_source_at"]).to_pylist():
        run_id = PREFIX + row["_event_id"]
        if run_id not in known:
            known.add(run_id)
            at = row["_source_at"] or datetime.now(UTC)
            runs.append(_listed(source, table, source_table, row["_position"], at), run_id, {})
            listed += 1
    return listed


def _listed(source: str, table: str, source_table: str, position: str, at: datetime) -> pa.Table:
    row = {
        "source": source,
        "table_name": table,
        "source_table": source_table,
        "rows": 0,
        "chunks": 0,
        "consistency": "snapshot",
        "position": position,
        "started_at": at,
        "completed_at": at,
    }
    return pa.Table.from_pylist([row], schema=pa.schema(list(RUNS_COLUMNS)[:-2]))
