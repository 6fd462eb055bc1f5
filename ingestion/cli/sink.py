"""`frazil sink run`: journalled events into the lake, once or for good."""

import logging
import signal
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.errors import PermanentError, UsageError
from ingestion.logs import configure_logging
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.lake.sink import Flush, Sink

log = logging.getLogger(__name__)


@click.group(help="Move journalled events into raw Iceberg tables.")
def command() -> None:
    pass


@command.command(
    help="""Commit what the journals hold to raw tables; each event exactly once. With FRAZIL_BUS=kafka also what the
    topics of webhooks and polled rows hold; any number of processes share these."""
)
@click.option("--once", is_flag=True, help="Stop when everything that waits is committed.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0),
    default=0.0,
    help="With --once: wait so long until a sink that holds journals has brought into raw what they hold now.",
)
@click.option(
    "--flush-seconds", type=click.FloatRange(0.05, 3600), default=1.0, show_default=True, help="Time between flushes."
)
@click.option("--flush-events", type=click.IntRange(1), default=20_000, show_default=True, help="Most events a commit.")
@click.option("--accept-gaps", is_flag=True, help="Go on where topics begin now, if Kafka deleted unread messages.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on 127.0.0.1.")
@json_option
def run(
    once: bool,
    wait_seconds: float,
    flush_seconds: float,
    flush_events: int,
    accept_gaps: bool,
    metrics_port: int | None,
    as_json: bool,
) -> None:
    from prometheus_client import start_http_server

    from ingestion.lake.bus import beside
    from ingestion.lake.loop import run_sink
    from ingestion.lake.sink import Limits, Sink

    if wait_seconds and not once:
        raise UsageError("--wait belongs to --once: without it a sink waits for good")
    settings = Settings()
    configure_logging(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        start_http_server(metrics_port, addr="127.0.0.1")
    sink = Sink(settings, Limits(events=flush_events))
    try:
        with (
            beside(
                settings, stop, once=once, seconds=flush_seconds, events=flush_events, accepts_gaps=accept_gaps
            ) as topics,
            _Reports(sink) as reports,
        ):
            total = run_sink(
                sink,
                stop,
                once=once,
                flush_seconds=flush_seconds,
                report=reports.add,
                waits_for_journals=topics.is_on,
                wait_seconds=wait_seconds,
            )
        total.add(topics.total)
        total.unreadable = {str(path): reason for path, reason in sink.journals.unreadable.items()}
    finally:
        sink.close()
    if as_json:
        print_json({"run_id": sink.run_id, **asdict(total)})
    else:
        rows = [{"table": table, "rows": count} for table, count in sorted(total.tables.items())]
        print_rows(rows, title=f"{total.entries} deliveries, {total.elements} events")
        if total.skipped or total.empty:
            click.echo(f"{total.skipped} events were in the lake already, {total.empty} deliveries held none")
    if total.unreadable:
        raise PermanentError("; ".join(total.unreadable.values()))


class _Reports:
    """A moving bar on a terminal; elsewhere one JSON line per second at most."""

    def __init__(self, sink: "Sink") -> None:
        self._sink = sink
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._since = time.monotonic()
        self._line: dict[str, Any] = {}

    def __enter__(self) -> "_Reports":
        console = Console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.completed:,} of {task.total:,} events, {task.fields[rate]:,.0f}/s"),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("", total=self._sink.journals.depth(), rate=0.0)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        self._log(0.0)

    def add(self, done: "Flush") -> None:
        if self._bar:
            self._bar.advance(self._task, done.counts.entries)
            completed = self._bar.tasks[0].completed
            rate = completed / (self._bar.tasks[0].elapsed or 1.0)
            self._bar.update(self._task, total=completed + self._sink.journals.depth(), rate=rate)
            return
        for name, count in (("events", done.counts.entries), ("commits", len(done.commits))):
            self._line[name] = self._line.get(name, 0) + count
        self._line["seconds"] = round(self._line.get("seconds", 0.0) + done.seconds, 3)
        self._log(1.0)

    def _log(self, every: float) -> None:
        if self._line and time.monotonic() - self._since >= every:
            waiting = self._sink.journals.depth()
            log.info("flushed", extra={"run_id": self._sink.run_id, "waiting": waiting, **self._line})
            self._since, self._line = time.monotonic(), {}
