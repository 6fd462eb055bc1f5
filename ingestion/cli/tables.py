"""`frazil tables validate`: row counts of a source's tables in the lake, and which are missing."""

import sys
from dataclasses import asdict

import click

from ingestion.cli.output import json_option, print_rows
from ingestion.errors import ContractError
from ingestion.logs import configure_logging
from ingestion.progress import progress
from ingestion.settings import Settings


@click.group(help="Row counts of the tables loaded from databases.")
def command() -> None:
    pass


@command.command(help="Row counts of SOURCE's tables in the lake, and which are missing; exit 3 if one is not right.")
@click.argument("source")
@click.option("--hide-empty", is_flag=True, help="Leave out tables without rows on both sides.")
@click.option("--no-check-missing", is_flag=True, help="Tables that were never loaded are not looked at.")
@json_option
def validate(source: str, hide_empty: bool, no_check_missing: bool, as_json: bool) -> None:
    from ingestion.bulk.dialects.base import by_name
    from ingestion.bulk.selection import selected
    from ingestion.bulk.sources import database
    from ingestion.bulk.validate import validated
    from ingestion.lake.catalog import open_catalog

    settings = Settings()
    configure_logging(settings)
    found = database(settings.config_dir, source)
    dialect = by_name(found.dialect)
    tables = selected(found, dialect.tables(found), None, ())
    catalog = open_catalog(settings)
    try:
        rows = []
        with (
            dialect.snapshot(found, 1) as snapshot,
            snapshot.reader() as reader,
            progress("validate", len(tables)) as meter,
        ):
            for number, table in enumerate(tables, start=1):
                rows.append(validated(catalog, dialect, reader, table))
                meter.at(number)
    finally:
        catalog.close()
    if no_check_missing:
        rows = [row for row in rows if row.status != "missing"]
    is_good = all(row.is_good for row in rows)
    if hide_empty:
        rows = [row for row in rows if row.source_rows or row.lake_rows]
    print_rows([asdict(row) for row in rows], title=source, as_json=as_json)
    if not is_good:
        sys.exit(ContractError.exit_code)
