"""Printing: a table for people, one JSON document for programs (`--json`)."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from ingestion.terminal import literal_console, visible, visible_json

_WIDE = 180
F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def plain(value: Any) -> Any:
    """`value` as JSON has it: decimals as text, times as ISO 8601 in UTC, bytes as UTF-8 text.

    Numbers that JSON lacks are the texts NaN, Infinity and -Infinity; a value of any other kind is its text.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(visible_json(json.dumps(plain(document), ensure_ascii=False, allow_nan=False)))


def echo(text: object = "", *, err: bool = False) -> None:
    """A line for people, with whatever bytes its values hold shown and not sent."""
    click.echo(visible(str(text)), err=err)


def print_rows(rows: Sequence[Mapping[str, Any]], *, title: str | None = None, as_json: bool = False) -> None:
    """Rows as a list of objects, or as an aligned table; numbers stand to the right."""
    if as_json:
        print_json(list(rows))
        return
    console = console_of()
    if not rows:
        console.print(visible(f"{title}: nothing") if title else "nothing", style="dim")
        return
    table = Table(title=visible(title) if title else None, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        numeric = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        table.add_column(visible(str(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else visible(str(plain(value))) for value in row.values()))
    console.print(table)


def console_of(*, highlight: bool = True) -> Console:
    """As wide as the terminal; where there is none, wide enough that names stay whole. It reads no markup."""
    console = literal_console(highlight=highlight)
    is_measured = console.is_terminal or "COLUMNS" in os.environ
    return console if is_measured else literal_console(width=_WIDE, highlight=highlight)
