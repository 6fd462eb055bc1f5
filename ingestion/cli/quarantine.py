"""`frazil quarantine list|show|replay`: what could not be read, and another try at it."""

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import echo, json_option, print_json, print_rows
from ingestion.errors import PermanentError, UsageError
from ingestion.settings import Settings
from ingestion.terminal import visible

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@click.group(help="List, show and replay what could not be read.")
def command() -> None:
    pass


@command.command(
    "list", help="What could not be read or is left out of staging by a rule, with its latest state, newest first."
)
@click.option("--source", help="Only this source's.")
@click.option("--reason", help="Only this reason; `bad_value` also means `bad_value:total_price`.")
@click.option("--state", type=click.Choice(["open", "replayed", "left_out"]), help="Only events in this state.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Print at most so many.")
@json_option
def list_events(source: str | None, reason: str | None, state: str | None, limit: int, as_json: bool) -> None:
    from ingestion.lake.rejected import rejected
    from ingestion.lake.replay import Selection, quarantined

    chosen = Selection((), source, reason, state)
    with _lake() as catalog:
        found = [*quarantined(catalog, chosen), *rejected(catalog, chosen)]
    found.sort(key=lambda row: row["received_at"], reverse=True)
    if as_json:
        print_json(found[:limit])
        return
    columns = ("quarantine_id", "source", "object", "topic", "reason", "state", "received_at", "detail")
    print_rows([{name: row[name] for name in columns} for row in found[:limit]], title="quarantine")
    if len(found) > limit:
        click.echo(f"and {len(found) - limit} more: --limit {len(found)} shows all")


@command.command(
    help="Print one quarantined event: what is known of it, its headers, then its bytes as received; on a terminal "
    "ESC and its like are shown as \\x1b."
)
@click.argument("identity", metavar="ID")
@json_option
def show(identity: str, as_json: bool) -> None:
    from ingestion.lake.quarantine import COLUMNS
    from ingestion.lake.rejected import is_rejected, rejected_event
    from ingestion.lake.replay import Selection, quarantined

    with _lake() as catalog:
        row = rejected_event(catalog, identity) if is_rejected(identity) else None
        if row is None:
            row = quarantined(catalog, Selection([identity]), COLUMNS.names)[0]
    body = row.pop("body")
    if as_json:
        print_json({**row, "body": body, "body_base64": base64.b64encode(body).decode()})
        return
    for name, value in row.items():
        echo(f"{name}: {'' if value is None else value}")
    echo()
    sys.stdout.flush()
    sys.stdout.buffer.write(_for_a_terminal(body) if sys.stdout.isatty() else body)
    sys.stdout.buffer.flush()
    echo()


@command.command(help="Run open events through today's configuration again: IDs, or all of a source or reason.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--source", help="All open events of this source.")
@click.option("--reason", help="All open events with this reason.")
@json_option
def replay(ids: tuple[str, ...], source: str | None, reason: str | None, as_json: bool) -> None:
    from ingestion.bulk.sources import load_databases
    from ingestion.lake.rejected import is_rejected, rejected
    from ingestion.lake.replay import Selection
    from ingestion.lake.replay import replay as run_again
    from ingestion.webhooks.sources import load_sources

    if not (ids or source or reason):
        raise UsageError("say what to replay: ids, --source or --reason; `frazil quarantine list` shows them")
    ruled_out = next(filter(is_rejected, ids), None)
    if ruled_out:
        raise UsageError(f"{ruled_out}: it is in raw; a changed rule or a later event brings it to staging by itself")
    settings = Settings()
    with _lake() as catalog:
        folder = settings.config_dir
        chosen = Selection(ids, source, reason)
        databases = load_databases(folder)
        has_webhooks = any((folder / "webhooks").glob("*.yaml")) or not databases
        webhooks = load_sources(folder) if has_webhooks else {}
        done = run_again(catalog, settings.home_dir, webhooks, chosen, databases)
        left_out = 0 if ids else len(rejected(catalog, chosen))
    if as_json:
        print_json({**asdict(done), "left_out": left_out})
    else:
        rows = sum(done.tables.values())
        click.echo(f"{done.replayed} of {done.selected} events replayed, {rows} rows added to raw")
        if done.samples_left:
            click.echo(f"{done.samples_left} samples of wrong signatures are never replayed")
        if left_out:
            click.echo(f"{left_out} are in raw and left out by rules of staging: read again when the rules change")
    if done.still_unreadable:
        raise PermanentError(
            f"{done.still_unreadable} events still cannot be read; `frazil quarantine show ID` says why"
        )


def _for_a_terminal(body: bytes) -> bytes:
    return visible(body.decode("utf-8", "backslashreplace")).encode()


@contextmanager
def _lake() -> "Iterator[Catalog]":
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.quarantine import COLUMNS, QUARANTINE
    from ingestion.lake.tables import ensure_table

    catalog = open_catalog(Settings())
    try:
        ensure_table(catalog, QUARANTINE, COLUMNS)
        yield catalog
    finally:
        catalog.close()
