"""`frazil maintain`: what would be done to keep tables cheap, and doing it."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from ingestion.cli.output import json_option, plain, print_json, print_rows
from ingestion.logs import configure_logging
from ingestion.settings import Settings

_TABLE = click.option("--table", "tables", multiple=True, help="Only this table, as schema.table; may be repeated.")


@click.group(help="Keep tables cheap by each folder's policy; set a built table back to an earlier snapshot.")
def command() -> None:
    pass


@command.command(help="Say what `run` would do to each table, and what it frees; changes nothing.")
@_TABLE
@json_option
def plan(tables: tuple[str, ...], as_json: bool) -> None:
    from ingestion.build.dbt import Dbt
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.maintenance.plan import plan_lake
    from ingestion.lake.maintenance.policy import policies

    settings = Settings()
    catalog = open_catalog(settings)
    plans = plan_lake(catalog, policies(Dbt(settings).manifest), tables)
    rows: list[dict[str, Any]] = [
        {
            "table": one.name,
            "data_files": one.files.data,
            "delete_files": one.files.deletes,
            "compacts_files": one.files.rewritten,
            "compacts_bytes": one.files.rewritten_bytes,
            "manifests": one.files.manifests,
            "rewrites_manifests": one.rewrites_manifests,
            "snapshots": one.snapshots,
            "expires_snapshots": len(one.expired),
            "orphans": len(one.orphans),
            "unfinished_copies": len(one.abandoned),
            "frees_bytes": one.frees,
            "is_due": not one.is_empty,
        }
        for one in plans
    ]
    if as_json:
        print_json(rows)
        return
    due = [{name: value for name, value in row.items() if name != "is_due"} for row in rows if row["is_due"]]
    print_rows(due, title="to be done")
    click.echo(f"{len(due)} of {len(rows)} tables; {sum(row['frees_bytes'] for row in rows):,} bytes are freed")


@command.command(help="Do what `plan` says, under the lake's lease; writers of raw tables go on meanwhile.")
@_TABLE
@json_option
def run(tables: tuple[str, ...], as_json: bool) -> None:
    from ingestion.build.dbt import Dbt
    from ingestion.build.lease import build_lease
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.maintenance.plan import plan_lake
    from ingestion.lake.maintenance.policy import policies
    from ingestion.lake.maintenance.run import Maintenance
    from ingestion.lake.maintenance.steps import remove_left_steps
    from ingestion.runtime.spark import spark_session

    settings = Settings()
    configure_logging(settings)
    with build_lease(settings.home_dir):
        catalog = open_catalog(settings)
        plans = plan_lake(catalog, policies(Dbt(settings).manifest), tables)
        done = Maintenance(catalog, lambda: spark_session(settings)).carry_out(plans)
        if not tables:
            remove_left_steps(settings.steps_dir, datetime.now(UTC))
    rows = [
        {
            "table": one.name,
            "data_files_before": one.before.data,
            "data_files": one.after.data,
            "delete_files_before": one.before.deletes,
            "delete_files": one.after.deletes,
            "expired_snapshots": one.expired,
            "orphans": one.orphans,
            "freed_bytes": one.freed,
            "seconds": one.seconds,
        }
        for one in done
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, title="done")


@command.command(
    help="Have the next `frazil run` build anew the models that read rows which came into raw on some days."
)
@click.option("--from", "first", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day of loading (UTC).")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day, included; without it today.")
@click.option("--source", help="Only rows of this source.")
@json_option
def rebuild(first: datetime, last: datetime | None, source: str | None, as_json: bool) -> None:
    from ingestion.build.dbt import Dbt
    from ingestion.build.lease import build_lease
    from ingestion.build.selection import Graph
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.maintenance.backfill import ask_to_rebuild, loaded_between

    settings = Settings()
    with build_lease(settings.home_dir):
        catalog = open_catalog(settings)
        dbt = Dbt(settings)
        graph = Graph(dbt.manifest, catalog, dbt.variables)
        raw = loaded_between(catalog, graph, first.date(), (last or datetime.now(UTC)).date(), source)
        models = ask_to_rebuild(catalog, graph, raw)
    if as_json:
        print_json({"raw_tables": raw, "models": models})
        return
    click.echo(f"rows came into: {', '.join(raw) or 'no table'}")
    click.echo(f"the next run builds anew: {', '.join(models) or 'nothing'}")


@command.command(
    help="Set a built table back to an earlier snapshot; the next `frazil run` brings it up to date again."
)
@click.argument("table")
@click.option("--to", required=True, metavar="SNAPSHOT|TIMESTAMP", help="A snapshot's id, or a time (UTC unless said).")
@json_option
def rollback(table: str, to: str, as_json: bool) -> None:
    from ingestion.build.dbt import Dbt
    from ingestion.build.lease import build_lease
    from ingestion.build.selection import Graph
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.maintenance.rollback import roll_back

    settings = Settings()
    with build_lease(settings.home_dir):
        catalog = open_catalog(settings)
        dbt = Dbt(settings)
        done = roll_back(catalog, Graph(dbt.manifest, catalog, dbt.variables), table, to)
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"{done.table} is at snapshot {done.snapshot} of {plain(done.made_at)}, was at {done.snapshot_before}")
    if done.goes_on_from is None:
        click.echo("its next run builds it from the start")
    for parent, moment in sorted((done.goes_on_from or {}).items()):
        click.echo(f"its next run goes on from {parent} of {plain(moment)}")
    if done.readers:
        click.echo(f"built from the start by the next run, as they have read it: {', '.join(done.readers)}")
