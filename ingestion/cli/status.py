"""`frazil status`: sources, lag, last builds, watermarks, quarantine and table sizes on one screen, or as metrics."""

import signal
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.overview.figures import Rows


@click.command(help="Sources, lag, last builds, watermarks, quarantine and table sizes on one screen, or as metrics.")
@click.option("--all", "everything", is_flag=True, help="Every watermark, table and load of a database as well.")
@click.option("--rebuild", is_flag=True, help="First make the state of database loads anew from the raw tables.")
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve the figures as metrics on 127.0.0.1 and stay."
)
@click.option(
    "--metrics-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures as metrics for node_exporter's textfile collector.",
)
@json_option
def command(
    everything: bool, rebuild: bool, metrics_port: int | None, metrics_file: Path | None, as_json: bool
) -> None:
    from ingestion.overview.metrics import registry, write_textfile
    from ingestion.overview.screen import show
    from ingestion.overview.slots import with_slots

    settings = Settings()

    def read() -> "Mapping[str, Rows]":
        return _figures(settings, rebuild=rebuild)

    def read_for_metrics() -> "Mapping[str, Rows]":
        return with_slots(settings, read())

    if metrics_port:
        _serve(read_for_metrics, metrics_port)
    elif metrics_file:
        write_textfile(registry(read_for_metrics), metrics_file)
    elif as_json:
        print_json(read())
    else:
        found = read()
        show(found, datetime.now(UTC))
        for title in ("databases", "watermarks", "tables") if everything else ():
            print_rows(found[title], title=title)


def _figures(settings: Settings, *, rebuild: bool) -> "Mapping[str, Rows]":
    from ingestion.bulk.state import State
    from ingestion.lake.catalog import open_catalog
    from ingestion.overview.figures import figures

    catalog = open_catalog(settings)
    try:
        if rebuild:
            State(catalog, settings.home_dir).rebuild()
        return figures(settings, catalog)
    finally:
        catalog.close()


def _serve(read: "Callable[[], Mapping[str, Rows]]", port: int) -> None:
    from prometheus_client import start_http_server

    from ingestion.overview.metrics import registry

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    start_http_server(port, addr="127.0.0.1", registry=registry(read))
    click.echo(f"http://127.0.0.1:{port}/metrics")
    stop.wait()
