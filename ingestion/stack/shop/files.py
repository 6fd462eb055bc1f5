"""The shop's rows as text files that both servers read: tabs, `\\N` for null, backslash escapes."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ingestion.stack.shop.rows import Row, Shop
from ingestion.stack.shop.tables import BY_NAME, TABLES, Table

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_REPORT_EVERY = 2_000


@dataclass(frozen=True)
class Files:
    """One file per table below `folder`, and how many rows are in it."""

    folder: Path
    rows: dict[str, int]

    def path(self, table: str) -> Path:
        return self.folder / f"{table}.tsv"


@contextmanager
def shop_files(shop: Shop, on_row: Callable[[int], None]) -> Iterator[Files]:
    """All tables' files in a temporary folder; `on_row` is told how many rows are written."""
    with tempfile.TemporaryDirectory(prefix="frazil-shop-") as name:
        yield Files(Path(name), _write(shop, Path(name), on_row))


def line_writer(table: Table) -> Callable[[Row], str]:
    """Turns a row of `table` into its line."""
    encoders = [_ENCODERS.get(column.kind, str) for column in table.columns]

    def line(row: Row) -> str:
        cells = ("\\N" if value is None else encode(value) for encode, value in zip(encoders, row, strict=True))
        return "\t".join(cells) + "\n"

    return line


def _write(shop: Shop, folder: Path, on_row: Callable[[int], None]) -> dict[str, int]:
    rows = dict.fromkeys(BY_NAME, 0)
    lines = {table.name: line_writer(table) for table in TABLES}
    files: dict[str, TextIO] = {name: (folder / f"{name}.tsv").open("w", encoding="utf-8") for name in rows}
    done = 0
    try:
        for table, row in _all_rows(shop):
            files[table].write(lines[table](row))
            rows[table] += 1
            done += 1
            if done % _REPORT_EVERY == 0:
                on_row(done)
    finally:
        for file in files.values():
            file.close()
    on_row(done)
    return rows


def _all_rows(shop: Shop) -> Iterator[tuple[str, Row]]:
    for name in ("users", "products", "restaurants", "food_orders"):
        for row in getattr(shop, name)():
            yield name, row
    for order, items, payments in shop.orders():
        yield "orders", order
        for item in items:
            yield "order_items", item
        for payment in payments:
            yield "payments", payment


def _text(value: str) -> str:
    return value.translate(_ESCAPES)


_ENCODERS: dict[str, Callable[[Any], str]] = {
    "varchar": _text,
    "text": _text,
    "json": _text,
    "boolean": lambda value: "1" if value else "0",
    "bytes": lambda value: "\\\\x" + value.hex(),
    "words": lambda value: "{" + ",".join(value) + "}",
    "double": repr,
}
