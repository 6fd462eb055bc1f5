"""`frazil cdc register`, `status` and the other verbs about a source's connector."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ingestion.cli.output import echo, json_option, print_json, print_rows
from ingestion.errors import FrazilError, UsageError
from ingestion.logs import configure_logging
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.bulk.sources import DatabaseSource
    from ingestion.cdc.clusters import KafkaCluster
    from ingestion.cdc.connect import ConnectClient

_source = click.argument("source")


@click.command(
    help="""Follow SOURCE from its copies on: make its Debezium connector, tell it where to begin, start it. Again:
    bring it in step with config/sources.yaml. Exit 1 when the log no longer reaches back to the copies."""
)
@_source
@json_option
def register(source: str, as_json: bool) -> None:
    from ingestion.cdc.registration import Registration
    from ingestion.lake.catalog import open_catalog

    settings = Settings()
    configure_logging(settings)
    catalog = open_catalog(settings)
    try:
        with _client(source) as (database, cluster, client):
            found = Registration(database, cluster, client, catalog, settings.connectors_dir).run()
    finally:
        catalog.close()
    if as_json:
        print_json({"source": source, **asdict(found), "file": str(found.file)})
        return
    place = "goes on where it was" if found.started_at is None else f"begins at {_words(found.started_at)}"
    echo(f"{found.connector} is {found.state} and {place}; its configuration: {found.file}")
    if found.not_loaded:
        names = ",".join(found.not_loaded)
        echo(f"not loaded yet, changes alone are followed: frazil bulk load {source} --tables {names}")


@click.command(
    help="""Connector, tasks and how much log the database keeps for them; exit 1 when it has failed, or when the log
    that it would go on with is gone."""
)
@_source
@json_option
def status(source: str, as_json: bool) -> None:
    from ingestion.cdc.handoff import slot_of, trouble

    with _client(source) as (database, _, client):
        found = client.status(source)
        slot, lost = None, ""
        try:
            slot = slot_of(database) if database.dialect == "postgres" else None
            places = () if found.is_running else client.offsets(source)
            lost = trouble(database, slot, next((one.offset for one in places if one.offset), None))
        except FrazilError as error:
            echo(f"frazil: {error}", err=True)
    rows = [{"part": "connector", "state": found.state, "worker": found.worker, "cause": found.cause}]
    rows += [
        {"part": f"task {one.number}", "state": one.state, "worker": one.worker, "cause": one.cause}
        for one in found.tasks
    ]
    if slot is not None:
        held = f"holds {slot.held_bytes / 1e6:.1f} MB of log" + (", lost" if slot.status == "lost" else "")
        rows.append({"part": "slot", "state": "read" if slot.is_active else "not read", "worker": "", "cause": held})
    if as_json:
        print_json({"source": source, **asdict(found), "slot": asdict(slot) if slot else None, "log_trouble": lost})
    else:
        print_rows(rows, title=source)
    if found.failure:
        echo(f"frazil: {source}: {found.failure}\n  then: frazil cdc restart {source}", err=True)
    if lost:
        echo(f"frazil: {lost}", err=True)
    if found.failure or lost:
        sys.exit(FrazilError.exit_code)


@click.command(help="Stop reading the log for a while; tasks stay.")
@_source
@json_option
def pause(source: str, as_json: bool) -> None:
    _do(source, "PAUSED", as_json, lambda client: client.pause(source))


@click.command(help="Go on after pause or stop.")
@_source
@json_option
def resume(source: str, as_json: bool) -> None:
    _do(source, "RUNNING", as_json, lambda client: client.resume(source))


@click.command(help="End the connector's tasks; its offsets may be changed then.")
@_source
@json_option
def stop(source: str, as_json: bool) -> None:
    _do(source, "STOPPED", as_json, lambda client: client.stop(source))


@click.command(help="Start connector and tasks anew, from where they were.")
@_source
@click.option("--only-failed", is_flag=True, help="Leave running tasks alone.")
@json_option
def restart(source: str, only_failed: bool, as_json: bool) -> None:
    def again(client: "ConnectClient") -> None:
        state = client.status(source).state
        if state in ("STOPPED", "PAUSED"):
            raise UsageError(f"{source} is {state}; run `frazil cdc resume {source}`")
        client.restart(source, only_failed=only_failed)

    _do(source, "RUNNING", as_json, again)


@click.command(help="How far the connector has read, as Kafka Connect keeps it.")
@_source
@json_option
def offsets(source: str, as_json: bool) -> None:
    with _client(source) as (_, _, client):
        found = client.offsets(source)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        print_rows([{"partition": _words(one.partition), "offset": _words(one.offset or {})} for one in found])


@click.command(help="Remove the connector; what it has read stays known, and is gone on from by `register`.")
@_source
@click.option("--drop-log", is_flag=True, help="Also give up the database's log (slot, publication) and the offsets.")
@json_option
def unregister(source: str, drop_log: bool, as_json: bool) -> None:
    from ingestion.cdc import handoff
    from ingestion.cdc.connect import NoConnectorError

    with _client(source) as (database, _, client):
        try:
            if drop_log:
                client.stop(source)
                client.wait(source, "STOPPED")
                client.reset_offsets(source)
            client.delete(source)
        except NoConnectorError:
            if not drop_log:  # a slot may be left of a connector that is gone
                raise
        if drop_log:
            handoff.drop_log(database)
    if as_json:
        print_json({"source": source, "state": "DESTROYED", "log_dropped": drop_log})
    else:
        echo(f"{source} is no longer followed" + (", and its log is given up" if drop_log else ""))


@contextmanager
def _client(name: str) -> "Iterator[tuple[DatabaseSource, KafkaCluster, ConnectClient]]":
    from ingestion.bulk.sources import database
    from ingestion.cdc.clusters import cluster
    from ingestion.cdc.connect import ConnectClient

    settings = Settings()
    source = database(settings.config_dir, name)
    found = cluster(settings.config_dir, source.cluster)
    client = ConnectClient(found.connect)
    try:
        yield source, found, client
    finally:
        client.close()


def _do(source: str, state: Any, as_json: bool, call: "Callable[[ConnectClient], None]") -> None:
    """Call, and wait until it is so; exit 1 when the connector fails instead."""
    with _client(source) as (_, _, client):
        call(client)
        found = client.wait(source, state)
    if as_json:
        print_json({"source": source, **asdict(found)})
    else:
        echo(f"{source} is {found.state}")
    if found.failure and state == "RUNNING":
        echo(f"frazil: {source}: the connector failed: {found.failure}", err=True)
        sys.exit(FrazilError.exit_code)


def _words(found: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in found.items() if value is not None)
