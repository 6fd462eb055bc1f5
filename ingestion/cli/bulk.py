"""`frazil bulk`: whole tables of a database into raw; one module per verb."""

import click

from ingestion.cli.bulk_load import load


@click.group(help="Load whole tables of databases into raw.")
def command() -> None:
    pass


command.add_command(load)
