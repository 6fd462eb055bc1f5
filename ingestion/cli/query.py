"""`frazil query`: SQL over lake tables without Spark."""

import click

from ingestion.cli.output import json_option, print_rows
from ingestion.settings import Settings


@click.command(
    help="""Read lake tables with one SELECT, without Spark: frazil query "select * from marts.customer_360"."""
)
@click.argument("sql")
@json_option
def command(sql: str, as_json: bool) -> None:
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.query import query

    catalog = open_catalog(Settings())
    try:
        rows = query(catalog, sql).to_pylist()
    finally:
        catalog.close()
    print_rows(rows, as_json=as_json)
