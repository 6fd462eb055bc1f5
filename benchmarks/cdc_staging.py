"""Staging of a followed table: its current state after 10,000 changes on a million rows, against a full rebuild."""

import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from benchmarks.report import report
from ingestion.build.dbt import Dbt
from ingestion.bulk.declared import declared, ensure_declared
from ingestion.bulk.rows import with_platform_columns
from ingestion.bulk.state import RUNS, RUNS_COLUMNS
from ingestion.lake.append import AppendTable
from ingestion.lake.tables import TIMESTAMP
from ingestion.settings import Settings
from tests.support.lake import Lake

ROWS = int(os.environ.get("FRAZIL_BENCH_ROWS_STAGED", "1000000"))
CHANGES = ROWS // 100
ROUNDS = 5
RAW, MODEL = "raw.shop_orders", "stg_shop_orders"
START = datetime(2026, 1, 5, 8, tzinfo=UTC)


class Round(NamedTuple):
    """The seconds of one build of all rows, of two builds after changes, and of one that finds nothing new."""

    full: float
    changed: list[float]
    nothing: float


def main() -> None:
    """The copy is written first and not measured; a first round warms Spark. Of each kind of build the median counts.

    Measured as `frazil run` builds, with a project that is parsed once. Also without the time of a build that finds
    nothing new, which both kinds contain whatever changed.
    """
    with tempfile.TemporaryDirectory(prefix="frazil-bench-staging-") as folder:
        lake = Lake(Settings(home=Path(folder).resolve()))
        ensure_declared(lake.catalog)
        raw = AppendTable(lake.catalog, RAW)
        raw.append(_rows(0, ROWS, "r", "batch", "00000000/00001000.0000000000"), "copy", {})
        AppendTable(lake.catalog, RUNS).append(_copy(), "copy", {})
        dbt = Dbt(lake.settings)
        _, *rounds = [_round(dbt, raw, number) for number in range(ROUNDS + 1)]
    full = statistics.median(one.full for one in rounds)
    change = statistics.median(seconds for one in rounds for seconds in one.changed)
    nothing = statistics.median(one.nothing for one in rounds)
    facts = {
        "rows": ROWS,
        "changes": CHANGES,
        "full_seconds": [round(one.full, 2) for one in rounds],
        "changed_seconds": [round(seconds, 2) for one in rounds for seconds in one.changed],
        "nothing_new_seconds": [round(one.nothing, 2) for one in rounds],
        "load": os.getloadavg()[0],
    }
    whole, net = change / full, (change - nothing) / (full - nothing)
    report("cdc_staging", whole, "of full", "<= 0.2", whole <= 0.2, facts)
    report("cdc_staging_net", net, "of full", "<= 0.2 less the time of an empty merge", net <= 0.2, facts)


def _round(dbt: Dbt, raw: AppendTable, number: int) -> Round:
    full = _build(dbt, "all rows", full=True)
    changed = [_changed(dbt, raw, 2 * number + one) for one in range(2)]
    return Round(full, changed, _build(dbt, "nothing new", full=False))


def _changed(dbt: Dbt, raw: AppendTable, number: int) -> float:
    """The seconds of a build after the changes of that number, 10,000 keys that are spread over all."""
    position = f"00000000/{(number + 2) * 0x1000:08X}.1"
    raw.append(_rows(number * 7, CHANGES, "u", "cdc", position, step=97), f"sink-{number}", {})
    return _build(dbt, f"{CHANGES} changes", full=False)


def _build(dbt: Dbt, what: str, *, full: bool) -> float:
    started = time.perf_counter()
    results = dbt.build([MODEL], ["resource_type:test", "resource_type:unit_test"], [MODEL] if full else [])
    seconds = time.perf_counter() - started
    print(f"{what}: {seconds:.1f} s", file=sys.stderr, flush=True)
    if not all(result.is_good for result in results):
        raise SystemExit(f"{what}: the build failed")
    return seconds


def _rows(first: int, count: int, op: str, load_type: str, position: str, step: int = 1) -> pa.Table:
    """Rows of every `step`th key from `first` on; those of the log have places of their own."""
    numbers = [(first + step * number) % ROWS for number in range(count)]
    columns = {field.name: _values(field, numbers) for field in declared()[RAW]}
    if op == "r":
        columns["_position"] = pa.repeat(pa.scalar(position), count)
    else:
        columns["_position"] = pa.array([f"{position}{place:036d}" for place in range(count)])
    columns["_event_id"] = pa.array([f"{position}:{number}" for number in numbers])
    columns["_op"], columns["_load_type"] = pa.repeat(pa.scalar(op), count), pa.repeat(pa.scalar(load_type), count)
    columns["_source_at"] = pa.repeat(pa.scalar(datetime.now(UTC), TIMESTAMP), count)
    schema = pa.schema([field for field in with_platform_columns(declared()[RAW]) if field.name in columns])
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _values(field: pa.Field, numbers: list[int]) -> pa.Array:
    if pa.types.is_timestamp(field.type):
        return pa.repeat(pa.scalar(START, TIMESTAMP), len(numbers)).cast(field.type)
    if pa.types.is_string(field.type):
        return pa.array([f"{field.name} {number % 1000}" for number in numbers])
    if pa.types.is_date(field.type) or pa.types.is_boolean(field.type) or pa.types.is_binary(field.type):
        return pa.nulls(len(numbers), field.type)
    if pa.types.is_decimal(field.type):
        return pa.array([number % 1000 for number in numbers], pa.int64()).cast(pa.decimal128(20, 0)).cast(field.type)
    return pa.array(numbers, pa.int64()).cast(field.type)


def _copy() -> pa.Table:
    row = {
        "source": "shop",
        "table_name": RAW,
        "consistency": "snapshot",
        "position": "00000000/00001000",
        "started_at": START,
        "completed_at": START,
    }
    return pa.Table.from_pylist([row], schema=pa.schema(list(RUNS_COLUMNS)[:-2]))
