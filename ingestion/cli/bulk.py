"""`frazil bulk`: whole tables of a database into raw; one module per verb."""

import click

from ingestion.cli.bulk_check import check
from ingestion.cli.bulk_discover import discover
from ingestion.cli.bulk_load import load
from ingestion.cli.bulk_plan import plan


@click.group(help="Check, list and plan databases, and load their whole tables into raw.")
def command() -> None:
    pass


for verb in (check, discover, plan, load):
    command.add_command(verb)
