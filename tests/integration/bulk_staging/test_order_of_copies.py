"""P2 for databases: copies and log rows in any order, batch and repetition end as one full build, as the rules say."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from ingestion.bulk.declared import ensure_declared
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.rows import stored_columns
from ingestion.bulk.scaffold import compose, write
from ingestion.bulk.state import RUNS, RUNS_COLUMNS
from ingestion.lake.append import AppendTable
from ingestion.lake.status import watermarks
from ingestion.settings import Settings
from tests.integration.bulk_staging.worlds import (
    BATCHES,
    LEFT_OUT,
    Copy,
    Row,
    World,
    expected,
    expected_without_key,
    position,
    worlds,
)
from tests.support.lake import Lake

pytestmark = pytest.mark.spark

COLUMNS = (Column("id", "bigint", pa.field("id", pa.int64())), Column("ice", "text", pa.field("ice", pa.string())))


class Worlds:
    """Tables raw.world_t0 and on in a lake of their own, one per world, with the models scaffolded for them."""

    def __init__(self, made: list[World], keyless: set[int], project: Path, home: Path) -> None:
        self.made = made
        self.tables = [
            SourceTable("public", f"t{number}", f"raw.world_t{number}", COLUMNS, () if number in keyless else ("id",))
            for number in range(len(made))
        ]
        write(compose("world", self.tables), project, only_new=False)
        self.lake = Lake(Settings(home=home), project)
        ensure_declared(self.lake.catalog, project / "models")

    def land(self, batch: int) -> None:
        """Append a batch, run by run; then list the copies that are told of in it."""
        for table, world in zip(self.tables, self.made, strict=True):
            rows = world.rows(batch)
            for run_id in dict.fromkeys(row.run_id for row in rows):
                content = [_raw(row) for row in rows if row.run_id == run_id]
                schema = pa.schema(list(stored_columns(table))[:-2])
                appended = pa.Table.from_pylist(content, schema=schema)
                AppendTable(self.lake.catalog, table.raw_name).append(appended, run_id, {})
            self._tell(table, [copy for copy in world.copies if copy.told_in == batch])

    def build(self) -> None:
        """With no lookback: what is read must follow from snapshots and watermarks alone."""
        self.lake.dbt("run", "--select", "staging.world", "--vars", "{lookback_seconds: 0}")

    def committed_at(self, name: str) -> datetime | None:
        newest = self.lake.catalog.load_table(name).current_snapshot()
        return datetime.fromtimestamp(newest.timestamp_ms / 1000, UTC) if newest else None

    def content(self, number: int) -> list[tuple[Any, ...]]:
        """Of a table with a key all rows, of one without the living ones."""
        rows = self.lake.rows(f"staging.stg_world_t{number}")
        if not self.tables[number].key:
            return sorted(((int(row["id"]), row["ice"]) for row in rows if not row["is_deleted"]), key=repr)
        found = [(int(row[f"t{number}_id"]), row["ice"], row["is_deleted"], row["deleted_at"]) for row in rows]
        return sorted(found, key=repr)

    def expected(self, number: int) -> list[tuple[Any, ...]]:
        world = self.made[number]
        rule = expected if self.tables[number].key else expected_without_key
        return sorted(rule(world), key=repr)

    def _tell(self, table: SourceTable, told: list[Copy]) -> None:
        for copy in reversed(told):
            row = {
                "source": "world",
                "table_name": table.raw_name,
                "consistency": "snapshot" if copy.views == 1 else "per_chunk",
                "position": copy.first,
                "started_at": copy.started_at,
                "completed_at": copy.completed_at,
            }
            listed = pa.Table.from_pylist([row], schema=pa.schema(list(RUNS_COLUMNS)[:-2]))
            AppendTable(self.lake.catalog, RUNS).append(listed, copy.run_id, {})


def _raw(row: Row) -> dict[str, Any]:
    return {
        "id": row.key,
        "ice": None if row.value == LEFT_OUT else row.value,
        "_raw_overflow": [("ice", LEFT_OUT)] if row.value == LEFT_OUT else None,
        "_event_id": row.event_id,
        "_op": row.op,
        "_load_type": row.load_type,
        "_position": row.position,
        "_source_at": row.source_at,
    }


def drawn(count: int, seed: int, *, has_key: bool) -> list[World]:
    """`count` random worlds; the same seed gives the same ones."""
    found: list[World] = []

    @seeded(seed)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate])
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        found.append(data.draw(worlds(has_key=has_key)))

    draw()
    return found


def check(count: int, seed: int, project: Path, folder: Path) -> None:
    made = drawn(count, seed, has_key=True) + drawn(max(count // 4, 2), seed, has_key=False)
    keyless = set(range(count, len(made)))
    full = Worlds(made, keyless, project, folder / "full")
    for batch in range(BATCHES):
        full.land(batch)
    full.build()

    grown = Worlds(made, keyless, project, folder / "grown")
    for batch in range(BATCHES):
        grown.land(batch)
        for table in grown.tables[::2]:
            grown.lake.forget(table.raw_name)
        grown.build()

    for number, world in enumerate(made):
        assert full.content(number) == full.expected(number), world
        assert grown.content(number) == full.expected(number), world
    read = {row["source_table"]: row["last_sync_timestamp"] for row in watermarks(grown.lake.catalog)}
    committed = {table.raw_name: grown.committed_at(table.raw_name) for table in grown.tables}
    assert {name: read.get(name) for name in committed} == committed


def test_ten_random_tables_end_as_one_full_build(project: Path, tmp_path: Path) -> None:
    check(10, 1, project, tmp_path)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(2, 12))
def test_two_hundred_random_tables_end_as_one_full_build(project: Path, tmp_path: Path, seed: int) -> None:
    check(20, seed, project, tmp_path)


def test_a_log_that_begins_anew_ranks_above_all_before_it(project: Path, tmp_path: Path) -> None:
    before = Copy(0, 6, 1, ((1, "old", 0, 0), (2, "gone", 0, 0)), 0)
    when = datetime(2026, 1, 6, tzinfo=UTC)
    old = Row(0, 1, "between", "u", "cdc", f"{position(7)}.0000000001", when, "sink-0", "log:1")
    late = Row(2, 1, "latest", "u", "cdc", f"{position(3)}.0000000001", when, "sink-2", "log:2")
    overdue = old._replace(batch=2, value="overdue", position=f"{position(8)}.0000000001", event_id="log:3")
    log = (old, late, overdue, overdue._replace(key=2, op="d", value=None, event_id="log:4"))
    world = Worlds([World((before,), log)], set(), project, tmp_path / "lake")

    states = []
    for batch in range(BATCHES):
        if batch == 1:
            restored = Copy(1, 2, 1, ((1, "new", 0, 1),), 1, began=datetime.now(UTC))
            world.made[0] = World((before, restored), log)
        world.land(batch)
        world.build()
        states.append([row[:3] for row in world.content(0)])

    assert states == [
        [(1, "between", False), (2, "gone", False)],
        [(1, "new", False), (2, "gone", True)],
        [(1, "latest", False), (2, "gone", True)],
    ]


def test_a_copy_that_was_being_made_when_its_table_was_truncated_outlives_that(project: Path, tmp_path: Path) -> None:
    copy = Copy(0, 3, 3, ((1, "nilas", 1, 0), (2, "brash", 2, 0)), 1)
    truncation = Copy(1, 3, 1, (), 1, is_truncation=True)
    following = Copy(2, 6, 1, ((2, "brash", 0, 2),), 2)
    when = datetime(2026, 1, 6, tzinfo=UTC)
    first = Row(0, 1, "nilas", "c", "cdc", f"{position(2)}.0000000001", when, "sink-0", "log:1")
    again = first._replace(batch=2, run_id="sink-2")
    made = [World((copy, truncation), (first, again)), World((copy, truncation, following), (first,))]
    worlds = Worlds(made, set(), project, tmp_path / "lake")

    for batch in range(BATCHES):
        worlds.land(batch)
        worlds.build()

    assert worlds.content(0) == worlds.expected(0)
    assert [row[:3] for row in worlds.content(0)] == [(1, "nilas", False), (2, "brash", False)]
    assert worlds.content(1) == worlds.expected(1)
    assert [row[:3] for row in worlds.content(1)] == [(1, "nilas", True), (2, "brash", False)]
