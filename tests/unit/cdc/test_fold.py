"""Raw folded to the source's rows: the latest change of each key, at the end of the log or as a snapshot saw it."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.bulk.model import Position
from ingestion.bulk.rows import OVERFLOW
from ingestion.cdc import fold
from ingestion.cdc.envelope import PLACEHOLDER
from ingestion.cdc.flush import Pile
from ingestion.cdc.fold import counted, folded
from ingestion.cdc.followed import Followed
from ingestion.cdc.intake import Intake, Letter, Partition
from ingestion.cdc.proof import unseen_in
from ingestion.lake.tables import TIMESTAMP
from tests.unit.cdc.conftest import letter


def _commit(table: Followed, letters: Sequence[Letter]) -> None:
    partition = Partition("shop.public.orders", 0)
    intake = Intake(table, "public", "orders")
    changes, taken = intake.changes(partition, letters, table.look("postgres"))
    intake.rows(changes, letters, taken)
    pile = Pile(table, table.copies)
    pile.add(partition, None, taken)
    pile.commit("run")


def _row(number: int, note: str | None, amount: str = "1.00") -> dict[str, Any]:
    return {"id": number, "amount": amount, "note": note}


def _pairs(table: Any) -> Iterator[tuple[int, str]]:
    yield from zip(table["id"].to_pylist(), table["note"].to_pylist(), strict=True)


def _rows(table: Any) -> list[tuple[int, str | None]]:
    return sorted((row["id"], row["note"]) for row in table.to_pylist())


def test_the_latest_change_of_a_key_counts_and_left_out_values_are_the_latest_known(
    followed: Callable[..., Followed], catalog: Catalog
) -> None:
    table = followed()
    _commit(
        table,
        [
            letter(0, row=_row(1, "gone by truncation")),
            letter(1, "t"),
            letter(2, row=_row(2, "kept")),
            letter(3, "u", _row(2, PLACEHOLDER, "2.00")),
            letter(4, row=_row(3, "deleted")),
            letter(5, "d", _row(3, None)),
            letter(6, row=_row(4, None)),
        ],
    )

    found = pa.Table.from_batches(folded(catalog.load_table("raw.shop_orders"), ("id",)))

    assert _rows(found) == [(2, "kept"), (4, None)]
    assert [str(row["amount"]) for row in found.to_pylist() if row["id"] == 2] == ["2.00"]
    assert found["_raw_overflow"].null_count == 2


def test_a_table_above_the_fold_s_memory_is_folded_on_disk(
    followed: Callable[..., Followed], catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fold, "_MEMORY", "96MB")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    raw, count, times = followed().raw, 200_000, 3
    for version in range(times):
        notes = pa.array([f"{version}-{number * 2654435761 % 2**32:0400d}" for number in range(count)])
        columns = {
            "id": pa.array(range(count)),
            "amount": pa.nulls(count, pa.decimal128(10, 2)),
            "note": notes,
            "_raw_overflow": pa.nulls(count, OVERFLOW.type),
            "_event_id": pa.array([f"{version}:{number}" for number in range(count)]),
            "_op": pa.repeat("u", count),
            "_load_type": pa.repeat("cdc", count),
            "_position": pa.repeat(f"{version}", count),
            "_source_at": pa.nulls(count, TIMESTAMP),
        }
        raw.append(pa.table(columns), f"run{version}", {})

    found, spilled = set[int](), False
    for batch in folded(catalog.load_table("raw.shop_orders"), ("id",)):
        spilled = spilled or any(path.is_file() for path in tmp_path.glob("frazil-fold-*/*"))
        found.update(batch["id"].to_pylist())
        assert {note[0] for note in batch["note"].to_pylist()} == {f"{times - 1}"}

    assert found == set(range(count))
    assert spilled


def test_a_snapshot_s_rows_are_those_of_the_transactions_it_saw(
    followed: Callable[..., Followed], catalog: Catalog
) -> None:
    table = followed()
    now = datetime.now(UTC)
    stamp = int(now.timestamp() * 1_000_000)
    _commit(
        table,
        [
            letter(0, row=_row(1, "seen"), txId=4294967290, ts_us=stamp),
            letter(1, "u", _row(1, "still running"), txId=3, ts_us=stamp),
            letter(2, row=_row(2, "seen across the wrap"), txId=2, ts_us=stamp),
            letter(3, "u", _row(2, "later"), txId=9, ts_us=stamp),
            letter(4, row=_row(5, "long ago"), txId=7),
        ],
    )
    wrapped = 1 << 32
    position = Position("00000000/00000400", f"{wrapped + 1}:{wrapped + 5}:{wrapped + 3}", "", now)

    found = pa.Table.from_batches(
        folded(catalog.load_table("raw.shop_orders"), ("id",), unseen_in("postgres", position))
    )

    assert _rows(found) == [(1, "seen"), (2, "seen across the wrap"), (5, "long ago")]


def test_rows_without_a_key_are_counted(followed: Callable[..., Followed], catalog: Catalog) -> None:
    table = followed(())
    one = _row(1, "a")
    _commit(
        table, [letter(0, row=one), letter(1, row=one), letter(2, "u", _row(1, "b"), before=one), letter(3, "d", one)]
    )

    found = list(counted(catalog.load_table("raw.shop_orders")))

    assert [row for came, rows in found if came for row in _rows(rows)] == [(1, "a"), (1, "a"), (1, "b")]
    assert [row for came, rows in found if not came for row in _rows(rows)] == [(1, "a"), (1, "a")]


def test_a_large_table_comes_in_parts(followed: Callable[..., Followed], catalog: Catalog) -> None:
    table, count = followed(), 250_000
    fields = [field for field in table.raw.table.schema().as_arrow() if field.name not in ("_loaded_at", "_run_id")]
    for commit in (1, 2):  # the second changes every other row
        ids = range(0, count, commit)
        columns: dict[str, list[Any]] = {field.name: [None] * len(ids) for field in fields}
        columns |= {"id": list(ids), "note": [str(commit)] * len(ids)}
        columns |= {"_op": ["u"] * len(ids), "_load_type": ["cdc"] * len(ids), "_position": [str(commit)] * len(ids)}
        columns |= {"_event_id": [f"{commit}-{number}" for number in ids]}
        table.raw.append(pa.table(columns, schema=pa.schema(fields)), "run", {})

    parts = list(folded(catalog.load_table(table.name), ("id",)))

    assert max(part.num_rows for part in parts) < count
    notes = {number: note for part in parts for number, note in _pairs(part)}
    assert len(notes) == sum(part.num_rows for part in parts) == count
    assert all(note == ("1" if number % 2 else "2") for number, note in notes.items())
