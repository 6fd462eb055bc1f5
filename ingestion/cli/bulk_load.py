"""`frazil bulk load`: a database's tables into raw, each exactly once however often it is stopped."""

import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ingestion.cli.bulk_words import print_left_out, selection_options, table_names
from ingestion.cli.output import echo, json_option, print_json, print_rows
from ingestion.errors import ContractError, FrazilError, RetryableError
from ingestion.logs import configure_logging
from ingestion.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestion.bulk.table_load import Outcome

INTERRUPTED = 130
_SHOWN = ("table", "status", "rows", "chunks", "seconds", "rows_per_second", "consistency", "attempts", "out_of_range")
_TORN = (
    "its rows are of different moments, and without cdc in the source's modes nothing brings them in step\n"
    "  for one moment: frazil bulk load {source} --tables {table} --no-resume --engine copy"
)


@click.command(help="Load the tables of SOURCE into raw; what is complete is skipped, what was stopped goes on.")
@click.argument("source")
@selection_options
@click.option("--parallel-tables", type=click.IntRange(1, 64), help="Readers within a table.")
@click.option("--parallel-workers", type=click.IntRange(1, 64), help="Tables at the same time.")
@click.option("--no-resume", is_flag=True, help="Load one more complete copy of every table under its own run id.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "copy", "jdbc"]),
    default="auto",
    show_default=True,
    help="How rows are read; auto: copy for PostgreSQL and MySQL, jdbc (Spark) for Oracle.",
)
@click.option("--no-proof", is_flag=True, help="Do not take the source's row hashes, by which reconcile proves later.")
@click.option("--dry-run", is_flag=True, help="Say what would be loaded, and load nothing.")
@json_option
def load(
    source: str,
    table_filter: str | None,
    tables: str | None,
    parallel_tables: int | None,
    parallel_workers: int | None,
    no_resume: bool,
    engine: str,
    no_proof: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from ingestion.bulk.sources import database

    settings = Settings()
    configure_logging(settings)
    found = database(settings.config_dir, source)
    if engine == "jdbc" and not dry_run:
        _start_spark(settings)
    from ingestion.bulk.load import Load, Options  # takes half a second, which Spark starts in
    from ingestion.bulk.progress import Board

    options = Options(
        table_filter=table_filter,
        tables=table_names(tables),
        parallel_tables=parallel_tables,
        parallel_workers=parallel_workers,
        is_resumed=not no_resume,
        is_proven=not no_proof,
        engine=engine,
    )
    work = Load(settings, found, options)
    if dry_run:
        print_rows([asdict(one) for one in work.intents()], title=f"{source} by {work.engine}", as_json=as_json)
        return
    if work.engine != engine and work.engine == "jdbc":
        _start_spark(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Board() as board:
        outcomes = work.run(board)
    _print(source, outcomes, work.left_out, as_json)
    if work.stop.is_set():
        sys.exit(INTERRUPTED)
    failed = [one for one in outcomes if one.status == "failed"]
    if any(one.is_contract_broken for one in failed):
        sys.exit(ContractError.exit_code)
    if failed:
        sys.exit(FrazilError.exit_code)
    if any(one.status == "busy" for one in outcomes):
        sys.exit(RetryableError.exit_code)


def _start_spark(settings: Settings) -> None:
    from ingestion.runtime.spark import prefer_throughput, start_early

    prefer_throughput()
    start_early(settings)


def _print(source: str, outcomes: "list[Outcome]", left_out: "Mapping[str, str]", as_json: bool) -> None:
    rows = [_row(one) for one in outcomes]
    if as_json:
        print_json({"source": source, "tables": rows, "left_out": left_out})
    else:
        print_rows([{name: row[name] for name in _SHOWN} for row in rows], title=source)
        print_left_out(left_out)
    for one in outcomes:
        if one.is_torn:
            echo(f"frazil: {one.source_table}: {_TORN.format(source=source, table=one.source_table)}", err=True)
        if one.status == "busy":
            echo(f"frazil: {one.error}", err=True)
        if one.status in ("failed", "interrupted"):
            reason = one.error or "stopped; what is committed stays"
            echo(f"frazil: {one.source_table}: {reason}\n  go on with: {one.resume}", err=True)


def _row(one: "Outcome") -> dict[str, Any]:
    rate = round(one.rows / one.seconds) if one.status == "loaded" and one.seconds else None
    return {**asdict(one), "rows_per_second": rate}
