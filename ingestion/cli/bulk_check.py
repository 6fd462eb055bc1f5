"""`frazil bulk check`: what is right and wrong with a source, before anything is loaded."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from ingestion.cli.bulk_words import selection_options, table_names
from ingestion.cli.output import console_of, json_option, print_json
from ingestion.errors import FrazilError
from ingestion.settings import Settings
from ingestion.terminal import visible

if TYPE_CHECKING:
    from ingestion.bulk.model import Finding

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}


@click.command(
    help="Test connection, privileges, log settings, types and the catalog of SOURCE; exit 1 when one fails."
)
@click.argument("source")
@selection_options
@json_option
def check(source: str, table_filter: str | None, tables: str | None, as_json: bool) -> None:
    from ingestion.bulk.check import checked
    from ingestion.bulk.sources import database

    settings = Settings()
    found = list(checked(settings, database(settings.config_dir, source), table_filter, table_names(tables)))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        _print(found)
    if any(one.level == "fail" for one in found):
        sys.exit(FrazilError.exit_code)


def _print(found: "list[Finding]") -> None:
    console = console_of(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for one in found:
        text = f"{one.message}\n  fix: {one.fix}" if one.fix else one.message
        table.add_row(Text(one.level, style=_COLOURS[one.level]), visible(one.check), visible(text))
    console.print(table)
