"""`frazil cdc sink`: committed changes from Kafka into raw, once or for good."""

import signal
import sys
import threading
from dataclasses import asdict

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.logs import configure_logging
from ingestion.settings import Settings


@click.command(
    help="""Bring the changes of SOURCE from Kafka to raw, each exactly once, until it is stopped. Any number of
    processes share the work. Exit 75 when Kafka does not answer, 3 when a contract stopped a table."""
)
@click.argument("source")
@click.option("--once", is_flag=True, help="Stop when all that can be read is in raw.")
@click.option(
    "--flush-seconds", type=click.FloatRange(0.1, 600), default=2.0, show_default=True, help="Time between commits."
)
@click.option("--flush-events", type=click.IntRange(1), default=50_000, show_default=True, help="Most events a commit.")
@click.option("--bootstrap", help="Kafka's address; else the source's cluster of config/kafka_clusters.yaml.")
@click.option("--prefix", help="What the topics' names begin with; the source's name unless given.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on 127.0.0.1.")
@click.option("--accept-gaps", is_flag=True, help="Go on where a topic begins now, after its tables were loaded again.")
@json_option
def sink(
    source: str,
    once: bool,
    flush_seconds: float,
    flush_events: int,
    bootstrap: str | None,
    prefix: str | None,
    metrics_port: int | None,
    accept_gaps: bool,
    as_json: bool,
) -> None:
    from prometheus_client import start_http_server

    from ingestion.bulk.sources import database
    from ingestion.cdc.clusters import cluster
    from ingestion.cdc.sink import Limits, Sink
    from ingestion.errors import UsageError
    from ingestion.lake.catalog import open_catalog

    settings = Settings()
    configure_logging(settings)
    found = database(settings.config_dir, source)
    if "cdc" not in found.modes:
        raise UsageError(f"{source}: add cdc to its modes in config/sources.yaml first")
    kafka = {"bootstrap.servers": bootstrap} if bootstrap else cluster(settings.config_dir, found.cluster).client()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        start_http_server(metrics_port, addr="127.0.0.1")
    catalog = open_catalog(settings)
    limits = Limits(seconds=flush_seconds, events=flush_events)
    work = Sink(catalog, found, kafka, prefix or source, limits, accepts_gaps=accept_gaps)
    try:
        work.run(stop.is_set, once=once)
    finally:
        work.close()
        catalog.close()
        if work.totals.messages or sys.exc_info()[0] is None:
            _print(source, asdict(work.totals) | {"run_id": work.run_id, "stopped": work.stopped}, as_json)


def _print(source: str, done: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json({"source": source, **done})
        return
    tables = done["tables"]
    assert isinstance(tables, dict)
    rows = [{"table": table, "rows": count} for table, count in sorted(tables.items())]
    print_rows(rows, title=f"{done['events']} changes, {done['seen']} of them in a copy already")
    if not done["messages"]:
        click.echo(f"no message is on Kafka that raw has not; `frazil cdc status {source}` shows whether Debezium runs")
    if done["rejected"]:
        click.echo(f"{done['rejected']} messages could not be read; see `frazil quarantine list --source {source}`")
