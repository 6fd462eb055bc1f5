"""`frazil cdc lag`: how far raw is behind Kafka, or wait until it has caught up."""

from dataclasses import asdict

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.settings import Settings


@click.command(help="How many messages of SOURCE are on Kafka and not in raw. Exit 75 when --wait is not long enough.")
@click.argument("source")
@click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(0),
    help="Wait so long until raw has all that is on Kafka now; a sink must run.",
)
@json_option
def lag(source: str, seconds: float | None, as_json: bool) -> None:
    from ingestion.bulk.sources import database
    from ingestion.cdc.clusters import cluster
    from ingestion.cdc.lag import Behind
    from ingestion.lake.catalog import open_catalog

    settings = Settings()
    found = database(settings.config_dir, source)
    catalog = open_catalog(settings)
    behind = Behind(catalog, found, cluster(settings.config_dir, found.cluster))
    try:
        if seconds is None:
            places = behind.look()
        else:
            places = behind.wait(seconds, lambda missing: click.echo(f"{source}: {missing} messages behind", err=True))
    finally:
        behind.close()
        catalog.close()
    rows = [asdict(one) for one in places]
    total = sum(one.behind for one in places)
    if as_json:
        print_json({"source": source, "behind": total, "partitions": rows})
    else:
        print_rows([row for row in rows if row["behind"]], title=f"{total} messages of {source} are not in raw")
