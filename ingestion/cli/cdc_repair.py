"""`frazil cdc repair`: followed tables that are not what their source is are loaded again, while the sink goes on."""

import sys
import time

import click

from ingestion.cli.bulk_words import table_names
from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.errors import FrazilError
from ingestion.logs import configure_logging
from ingestion.settings import Settings


@click.command(
    help="""Prove the followed tables of SOURCE, and load a new copy of those that differ: what the log never told, such
    as the old rows of a column that was added with a default. The sink may go on meanwhile."""
)
@click.argument("source")
@click.option("--tables", metavar="A,B", help="Only these tables, as table or schema.table.")
@click.option("--wait", "wait_seconds", type=click.FloatRange(0), default=60.0, show_default=True, help="For the sink.")
@json_option
def repair(source: str, tables: str | None, wait_seconds: float, as_json: bool) -> None:
    from ingestion.bulk.dialects.base import by_name
    from ingestion.bulk.load import Load, Options
    from ingestion.bulk.progress import Board
    from ingestion.bulk.selection import selected
    from ingestion.bulk.sources import database
    from ingestion.cdc.proof import check_followed, is_followed
    from ingestion.lake.catalog import open_catalog

    settings = Settings()
    configure_logging(settings)
    found = database(settings.config_dir, source)
    dialect = by_name(found.dialect)
    catalog = open_catalog(settings)
    try:
        chosen = selected(found, dialect.tables(found), None, table_names(tables))
        followed = [table for table in chosen if is_followed(catalog, found, table)]
        with dialect.snapshot(found, 1) as snapshot, snapshot.reader() as reader:
            deadline = time.monotonic() + wait_seconds
            checked = [check_followed(catalog, found, reader, snapshot.position, table, deadline) for table in followed]
    finally:
        catalog.close()
    differing = [one.source_table for one in checked if not one.is_equal]
    loaded = {}
    if differing:
        with Board() as board:
            outcomes = Load(settings, found, Options(tables=tuple(differing), is_resumed=False)).run(board)
        loaded = {one.source_table: one.status for one in outcomes}
    rows = [
        {"table": one.table, "was_equal": one.is_equal, "copy": loaded.get(one.source_table, "not needed")}
        for one in checked
    ]
    if as_json:
        print_json({"source": source, "tables": rows})
    else:
        print_rows(rows, title=source)
    if any(status != "loaded" for status in loaded.values()):
        sys.exit(FrazilError.exit_code)
