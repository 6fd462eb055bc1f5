"""`frazil cdc`: databases followed by their logs; one module per verb."""

import click

from ingestion.cli.cdc_connector import offsets, pause, register, restart, resume, status, stop, unregister
from ingestion.cli.cdc_lag import lag
from ingestion.cli.cdc_repair import repair
from ingestion.cli.cdc_sink import sink


@click.group(help="Follow databases by their logs: Kafka and Debezium, from there to raw.")
def command() -> None:
    pass


for verb in (register, status, pause, resume, stop, restart, offsets, unregister, sink, lag, repair):
    command.add_command(verb)
