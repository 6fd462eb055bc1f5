"""`frazil status`: journals, tables, watermarks and quarantine at a glance."""

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.settings import Settings


@click.command(help="Journals, tables, watermarks and quarantine at a glance.")
@click.option("--rebuild", is_flag=True, help="First make the state of database loads anew from the raw tables.")
@json_option
def command(rebuild: bool, as_json: bool) -> None:
    from ingestion.bulk.state import State
    from ingestion.lake import status
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.replay import waiting

    settings = Settings()
    catalog = open_catalog(settings)
    state = State(catalog, settings.home_dir)
    try:
        if rebuild:
            state.rebuild()
        found = {
            "journals": status.journals(settings.journal_dir),
            "tables": status.tables(catalog),
            "quarantine": waiting(catalog),
            "databases": state.statuses(),
            "watermarks": status.watermarks(catalog),
        }
    finally:
        catalog.close()
    if as_json:
        print_json(found)
        return
    for title, rows in found.items():
        print_rows(rows, title=title)
