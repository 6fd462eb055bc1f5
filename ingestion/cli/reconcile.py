"""`frazil reconcile`: proof that raw holds what a source held."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ingestion.cli.bulk_words import table_names
from ingestion.cli.output import echo, json_option, print_json, print_rows
from ingestion.errors import ContractError
from ingestion.logs import configure_logging
from ingestion.progress import progress
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.bulk.reconcile import Checked


@click.command(
    help="""Compare count and row hash of every chunk in SOURCE and in raw, and show the keys that differ; exit 3 if
    any does. The source's side is what the load saw, so it may have changed since. Tables of a source that is followed
    by its log are compared whole, as the source is at this moment; others may write."""
)
@click.argument("source")
@click.option("--tables", metavar="A,B", help="Only these tables, as table or schema.table.")
@click.option("--table-filter", metavar="PATTERN", help='Only tables like this, in SQL\'s words: "S_%".')
@click.option("--now", "is_now", is_flag=True, help="Compare with the source as it is now; nobody may write meanwhile.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="For a sink, by all tables.",
)
@json_option
def command(
    source: str, tables: str | None, table_filter: str | None, is_now: bool, wait_seconds: float, as_json: bool
) -> None:
    from ingestion.bulk.dialects.base import by_name
    from ingestion.bulk.reconcile import Reconciliation
    from ingestion.bulk.selection import selected
    from ingestion.bulk.sources import database
    from ingestion.cdc.proof import check_followed, is_followed
    from ingestion.lake.catalog import open_catalog

    settings = Settings()
    configure_logging(settings)
    found = database(settings.config_dir, source)
    dialect = by_name(found.dialect)
    chosen = selected(found, dialect.tables(found), table_filter, table_names(tables))
    catalog = open_catalog(settings)
    checked: list[Checked] = []
    try:
        with (
            dialect.snapshot(found, 1) as snapshot,
            snapshot.reader() as reader,
            progress("reconcile", len(chosen)) as meter,
        ):
            work, deadline = Reconciliation(catalog, found, dialect, reader), time.monotonic() + wait_seconds
            for number, table in enumerate(chosen, start=1):
                if is_followed(catalog, found, table):
                    checked.append(check_followed(catalog, found, reader, snapshot.position, table, deadline))
                else:
                    checked += work.check(table, is_now=is_now)
                meter.at(number)
        work.save(checked)
    finally:
        catalog.close()
    _print(source, checked, as_json)
    if not all(one.is_equal for one in checked):
        sys.exit(ContractError.exit_code)


def _print(source: str, checked: "Sequence[Checked]", as_json: bool) -> None:
    rows = _by_table(checked)
    if as_json:
        print_json({"source": source, "tables": rows})
        return
    shown = [{name: value for name, value in row.items() if name not in ("problems", "keys")} for row in rows]
    print_rows(shown, title=source)
    for row in rows:
        for problem in row["problems"]:
            echo(f"{row['table']} {problem}")
        for key in row["keys"]:
            echo(f"{row['table']} key {', '.join(key['key'])}: {key['what']}")


def _by_table(checked: "Sequence[Checked]") -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for one in checked:
        row = rows.setdefault(
            one.table,
            {
                "table": one.table,
                "is_equal": True,
                "basis": one.basis,
                "chunks": 0,
                "chunks_equal": 0,
                "source_rows": 0,
                "lake_rows": 0,
                "problems": [],
                "keys": [],
            },
        )
        row["is_equal"] = row["is_equal"] and one.is_equal
        row["chunks"] += 1
        row["chunks_equal"] += one.is_equal
        row["source_rows"] += one.source.rows if one.source else 0
        row["lake_rows"] += one.lake.rows if one.lake else 0
        row["keys"] += [{"key": found.key, "what": found.what} for found in one.differences]
        if one.problem:
            row["problems"].append(one.problem)
    return list(rows.values())
