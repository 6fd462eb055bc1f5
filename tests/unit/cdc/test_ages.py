"""A log that begins anew: what comes after ranks above all before, and no old copy has seen any of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from ingestion.bulk.marks import PREFIX, Finished, Mark, Planned, View, ages_of, marks_of, moved
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.rows import row_position, stored_columns
from ingestion.cdc.fold import folded
from ingestion.cdc.offsets import copies_of, present_age
from ingestion.lake.append import AppendTable, Marks
from ingestion.lake.tables import ensure_table

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (Column("id", "int", pa.field("id", pa.int64())), Column("v", "int", pa.field("v", pa.int64())))
TABLE = SourceTable("shop", "orders", "raw.shop_orders", COLUMNS, ("id",))


def view(place: int, minutes: float) -> View:
    return View(f"{place:010d}", "", "", START + timedelta(minutes=minutes))


def mark(place: int, minutes: float, *, is_complete: bool = True) -> Mark:
    at = START + timedelta(minutes=minutes)
    seen = view(place, minutes)
    chunk = Planned("all", "", 1, 1)
    return Mark("shop", "shop.orders", "copy", at, "", True, (chunk,), (seen,), {}, at if is_complete else None)


def test_ages_are_told_by_copies_that_begin_below_the_one_before() -> None:
    marks = {f"run{number}": mark(place, number) for number, place in enumerate([50, 70, 10, 20, 5])}

    told = [(age.number, int(age.left_at or 0)) for age in ages_of(marks).values()]
    assert told == [(0, 0), (0, 0), (1, 70), (1, 70), (2, 20)]
    assert [one.position for one in present_age([view(50, 0), view(10, 1), view(20, 2)])] == [
        "0000000010",
        "0000000020",
    ]


def test_the_copies_that_separate_ages_are_kept_however_many_come_after(catalog: Catalog) -> None:
    ensure_table(catalog, TABLE.raw_name, stored_columns(TABLE))
    raw = AppendTable(catalog, TABLE.raw_name)
    places = [80, 90, *range(1, 30)]
    for number, place in enumerate(places):
        seen, plan = view(place, number), mark(place, number, is_complete=False)

        def decide(
            table: object, files: object, seen: View = seen, plan: Mark = plan, run: str = f"run{number}"
        ) -> Marks:
            return moved(raw.table, run, plan, seen, {0: Finished(1, None, 0)})

        raw.commit([], decide)

    kept = marks_of(catalog.load_table(TABLE.raw_name))

    assert {"run1", "run2"} < kept.keys()
    assert len(kept) <= 13
    assert {(age.number, int(age.left_at or 0)) for age in ages_of(kept).values()} == {(0, 0), (1, 90)}
    [base] = copies_of(catalog.load_table(TABLE.raw_name)).base
    assert int(base.position) == 1


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=6),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folded_rows_are_the_source_s_over_logs_that_began_anew(
    catalog: Catalog, ages: Sequence[Sequence[tuple[int, int]]]
) -> None:
    """Each age is a copy of what is there and changes of it, at places below all before; 2 deletes."""
    catalog.create_namespace_if_not_exists("raw")
    if catalog.table_exists(TABLE.raw_name):
        catalog.drop_table(TABLE.raw_name)
    ensure_table(catalog, TABLE.raw_name, stored_columns(TABLE))
    clock = [int(START.timestamp() * 1_000_000)]
    raw = AppendTable(catalog, TABLE.raw_name, lambda: clock[0])
    source: dict[int, int] = {}
    value = 0
    for age, changes in enumerate(ages):
        clock[0] += 60_000_000
        at = datetime.fromtimestamp(clock[0] / 1_000_000, UTC)
        seen = View(f"{(9 - age) * 1000:010d}", "", "", at)
        copy = Mark("shop", "shop.orders", "copy", at, "", True, (Planned("all", "", 1, 1),), (seen,), {}, at)
        notes = {PREFIX + f"copy{age}": _encoded(copy)}
        rows = [_row(key, one, "r", row_position(seen), "batch") for key, one in source.items()]
        raw.append(_table(rows), f"copy{age}", {}, notes=notes)
        for number, (key, kind) in enumerate(changes):
            clock[0] += 1_000_000
            value += 1
            position = f"{(9 - age) * 1000 + number:010d}.1"
            raw.append(_table([_row(key, value, "d" if kind == 2 else "u", position, "cdc")]), "sink", {})
            if kind == 2:
                source.pop(key, None)
            else:
                source[key] = value

    batches = folded(catalog.load_table(TABLE.raw_name), ("id",))

    assert {row["id"]: row["v"] for batch in batches for row in batch.to_pylist()} == source


def test_what_the_old_log_brings_after_the_new_copy_ranks_below_it(catalog: Catalog) -> None:
    ensure_table(catalog, TABLE.raw_name, stored_columns(TABLE))
    now = START + timedelta(hours=1)
    raw = AppendTable(catalog, TABLE.raw_name, lambda: int(now.timestamp() * 1_000_000))
    before, after = mark(80, 0), mark(10, 10)
    for number, copy in enumerate((before, after)):
        rows = [_row(key, number, "r", row_position(copy.views[0]), "batch") for key in (1, 2, 3)]
        raw.append(_table(rows), f"copy{number}", {}, notes={PREFIX + f"copy{number}": _encoded(copy)})
    log = [
        _row(1, 7, "u", "0000000090.1", "cdc") | {"_source_at": START + timedelta(minutes=9)},  # of the old log
        _row(2, 8, "u", "0000000020.1", "cdc") | {"_source_at": START + timedelta(minutes=9)},  # a clock that is behind
        _row(3, 9, "u", "0000000090.1", "cdc") | {"_source_at": START + timedelta(minutes=11)},
    ]
    raw.append(_table(log), "sink", {})

    batches = folded(catalog.load_table(TABLE.raw_name), ("id",))

    assert {row["id"]: row["v"] for batch in batches for row in batch.to_pylist()} == {1: 1, 2: 8, 3: 9}


def _encoded(copy: Mark) -> str:
    import msgspec

    return msgspec.json.encode(copy).decode()


def _row(key: int, value: int, op: str, position: str, load_type: str) -> dict[str, object]:
    identity = f"{position}-{key}-{value}"
    return {"id": key, "v": value, "_op": op, "_load_type": load_type, "_position": position, "_event_id": identity}


def _table(rows: list[dict[str, object]]) -> pa.Table | None:
    schema = pa.schema([field for field in stored_columns(TABLE) if field.name not in ("_loaded_at", "_run_id")])
    return pa.Table.from_pylist(rows, schema=schema) if rows else None
