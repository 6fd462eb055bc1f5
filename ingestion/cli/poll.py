"""`frazil poll`: the new rows of databases without a log."""

import signal
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.logs import configure_logging
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.poll.run import Totals


@click.group(help="Ask databases for their new rows every few seconds.")
def command() -> None:
    pass


@command.command(
    help="""Hand on the new rows of SOURCE's tables that have a `cursor` in config/sources.yaml, until it is stopped:
    to their journals, or with FRAZIL_BUS=kafka to their topics; `frazil sink run` brings them to raw. Goes on after
    errors. Exit 2 when the source cannot be polled as it is written, with --once 75 when it does not answer."""
)
@click.argument("source")
@click.option("--once", is_flag=True, help="Stop when all that is new now is handed on.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on 127.0.0.1.")
@json_option
def run(source: str, once: bool, metrics_port: int | None, as_json: bool) -> None:
    from prometheus_client import start_http_server

    from ingestion.bulk.sources import database
    from ingestion.lake.catalog import open_catalog
    from ingestion.poll.buses import bus_maker
    from ingestion.poll.run import Run

    settings = Settings()
    configure_logging(settings)
    found = database(settings.config_dir, source)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        start_http_server(metrics_port, addr="127.0.0.1")
    catalog = open_catalog(settings)
    work = Run(catalog, found, bus_maker(settings, catalog), settings.queue_ceiling)
    try:
        totals = work.once() if once else work.until(stop)
    finally:
        work.close()
        catalog.close()
    _print(source, totals, as_json)


def _print(source: str, totals: "Totals", as_json: bool) -> None:
    if as_json:
        print_json({"source": source, **asdict(totals)})
        return
    rows = [
        {
            "table": table,
            "rows": count,
            "repeats": totals.repeats.get(table, 0),
            "failures": totals.failures.get(table, 0),
        }
        for table, count in sorted(totals.rows.items())
    ]
    print_rows(rows, title=f"{totals.polls} polls")
