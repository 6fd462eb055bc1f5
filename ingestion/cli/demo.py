"""`frazil demo`: the whole way once, on this machine, in a few minutes."""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion.cli.output import json_option, plain, print_json
from ingestion.errors import ContractError
from ingestion.settings import Settings
from ingestion.terminal import literal_console, visible

if TYPE_CHECKING:
    from ingestion.demo.run import Played

Rows = Sequence[Mapping[str, Any]]

_TOP_CUSTOMERS = """
select full_name as customer, replace(sources, ',', '') as systems, order_count as orders, currency as "in",
       gross_sales_amount as sold, charged_amount as charged
from marts.customer_360 where currency is not null
order by order_count desc, gross_sales_amount desc, entity_id limit 8
"""
_LAST_DAYS = """
select order_date as "order date", currency, order_count as orders, gross_sales_amount as "gross sales",
       refunded_amount as refunded, net_sales_amount as "net sales", charged_amount as charged
from marts.sales_dashboard_daily where order_count > 0 order by order_date desc, currency limit 10
"""
_NEXT = (
    ('frazil query "select * from marts.customer_360 limit 5"', "any table, without Spark"),
    ("frazil quarantine list", "what could not be read, and why"),
    ("frazil status", "journals, tables and watermarks"),
    ("make docs", "the lineage of every table"),
)


@click.command(help="Generated business, real server, sink, dbt build, printed marts; then a small second wave.")
@click.option("--home", type=click.Path(path_type=Path), help="State, emptied at the start; default FRAZIL_HOME/demo.")
@click.option("--seed", default=1, show_default=True, help="The same seed plays the same business.")
@click.option("--orders", default=980, show_default=True, type=click.IntRange(10), help="About ten requests each.")
@json_option
def command(home: Path | None, seed: int, orders: int, as_json: bool) -> None:
    from ingestion.demo.run import Demo, Plan

    settings = Settings()
    console = literal_console(stderr=as_json, highlight=False, soft_wrap=True)

    def say(step: str, text: str, seconds: float | None) -> None:
        if seconds is None:
            console.print(f"\n{visible(text)}", style="bold")
        else:
            console.print(Text.assemble(f"  {step:10} {visible(text)}  ", (f"{seconds:.1f} s", "dim")))

    say("", "Frazil demo: one invented business, three systems that know it, all on this machine", None)
    played = Demo(settings, home or settings.home_dir / "demo", Plan(seed, orders), say, sys.stderr).play()
    if as_json:
        print_json(_document(played))
    else:
        _print(console, played)
    wrong = [f"{one.source}: {problem}" for one in played.accounts for problem in one.problems]
    if wrong:
        raise ContractError("the accounting does not balance: " + "; ".join(wrong))


def _document(played: "Played") -> dict[str, object]:
    waves = {
        name: {"requests": wave.sent.answered, "seconds": wave.seconds, "rows_written": wave.built.rows_written}
        for name, wave in (("first", played.first), ("second", played.second))
    }
    return {
        "home": str(played.settings.home_dir),
        "waves": waves,
        "accounts": [one.as_row() for one in played.accounts],
        "tables": played.table_rows,
        "marts": dict(_marts(played)),
    }


def _print(console: Console, played: "Played") -> None:
    for name, rows in _marts(played):
        _table(console, name, rows)
    title = "Accounting: received = accepted + repeated + quarantined + refused"
    _table(console, title, _columns([one.as_row() for one in played.accounts]))
    console.print("  Raw holds every event accepted; one HubSpot request brings several.", style="dim")
    changed = _changed(played)
    _table(console, f"Rows written because {played.second.sent.answered} orders changed", changed)
    console.print(f"  The other {len(played.table_rows) - len(changed)} tables had nothing to write.", style="dim")
    export = visible(f"export FRAZIL_HOME={played.settings.home_dir}")
    console.print(Text.assemble(("\nTry next", "bold"), ", after ", (export, "bold")))
    for line, what in _NEXT:
        console.print(Text.assemble("  ", (f"{line:58}", "cyan"), f" {what}"))


def _columns(rows: Rows) -> list[dict[str, object]]:
    """Turned by 90 degrees: a column per source."""
    names = [name for name in rows[0] if name != "source"]
    return [{"": name.replace("_", " "), **{row["source"]: row[name] for row in rows}} for name in names]


def _changed(played: "Played") -> list[dict[str, object]]:
    first, second = played.first.built.rows_written, played.second.built.rows_written
    return [
        {"table": name, "rows": rows, "first build": first.get(name, 0), "second build": second[name]}
        for name, rows in sorted(played.table_rows.items())
        if second.get(name)
    ]


def _marts(played: "Played") -> list[tuple[str, list[dict[str, Any]]]]:
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.query import query

    asked = {
        "marts.customer_360: who buys most, over all three systems": _TOP_CUSTOMERS,
        "marts.sales_dashboard_daily: the last days": _LAST_DAYS,
    }
    catalog = open_catalog(played.settings)
    found = [(name, query(catalog, sql).to_pylist()) for name, sql in asked.items()]
    catalog.close()
    return found


def _table(console: Console, title: str, rows: Rows) -> None:
    """Narrow enough for 80 columns: no lines, amounts and counts to the right."""
    console.print(f"\n{title}", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("")
    for name, value in (rows[0] if rows else {}).items():
        table.add_column(name, justify="right" if isinstance(value, int | Decimal) else "left")
    for row in rows:
        table.add_row("", *map(_text, row.values()))
    console.print(table)


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | Decimal) else visible(str(plain(value)))
