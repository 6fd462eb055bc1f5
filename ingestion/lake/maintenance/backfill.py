"""Building models anew because of what came into raw on some days.

The rows of one key come on any day, and a stored row is replaced only by a later change of its key. So the days choose
the models, and each of these reads all its input again; what is below them follows by what that changes.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.build.selection import Graph
from ingestion.build.state import ASKED, load_state, save_state
from ingestion.errors import UsageError

_BY_NAME: Any = expressions  # their constructors take a column's name, which their types do not tell


def loaded_between(catalog: Catalog, graph: Graph, first: date, last: date, source: str | None = None) -> list[str]:
    """The raw tables, of one source if named, into which rows were loaded from `first` to `last`, both included (UTC).

    Read from metadata alone. Raises UsageError for days in the wrong order and a source without raw tables.
    """
    if last < first:
        raise UsageError(f"{last} lies before {first}")
    inputs = {graph.table(one) for node in graph.nodes for one in graph.parents(node) if one.startswith("source.")}
    raw = sorted(one for one in inputs if one.startswith(f"raw.{source}_" if source else "raw."))
    if not raw:
        raise UsageError(f"no model reads a raw table of {source}; `frazil status` lists the sources")
    start = datetime.combine(first, time(), UTC).isoformat()
    end = datetime.combine(last + timedelta(days=1), time(), UTC).isoformat()
    days = _BY_NAME.And(_BY_NAME.GreaterThanOrEqual("_loaded_at", start), _BY_NAME.LessThan("_loaded_at", end))
    return [name for name in raw if _has_files(catalog, name, days)]


def ask_to_rebuild(catalog: Catalog, graph: Graph, raw_tables: Sequence[str]) -> list[str]:
    """Have the next run build anew the models that read these tables; returns their tables.

    To be called under the lake's lease. Models that were never built read everything anyway.
    """
    state = load_state(catalog)
    wanted = set(raw_tables)
    readers = [one for one in graph.nodes if wanted.intersection(graph.table(parent) for parent in graph.parents(one))]
    asked = {one: replace(state[one], checksum=ASKED) for one in readers if one in state}
    if asked:
        save_state(catalog, state | asked)
    return sorted(graph.table(one) for one in readers)


def _has_files(catalog: Catalog, name: str, days: Any) -> bool:
    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
        return False
    return any(True for _ in table.scan(days).plan_files())
