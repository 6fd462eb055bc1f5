"""`frazil run`: sink and build, once or again and again."""

import logging
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from ingestion.cli.output import echo, json_option, print_json, print_rows
from ingestion.errors import ContractError, PermanentError, RetryableError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.build.runner import BuildReport
    from ingestion.lake.batch import Counts

log = logging.getLogger("frazil.run")


@click.command(help="Move journalled events into the lake, then build the models that have new input or new code.")
@click.option("--once", is_flag=True, help="One round (the default).")
@click.option("--watch", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Round after round, this far apart.")
@click.option("--all", "everything", is_flag=True, help="Build every model and run every test.")
@json_option
def command(once: bool, watch: float | None, everything: bool, as_json: bool) -> None:
    from ingestion.build.dbt import Dbt
    from ingestion.build.progress import Progress
    from ingestion.build.runner import Builder
    from ingestion.lake.catalog import open_catalog
    from ingestion.logs import configure_logging

    if once and watch:
        raise click.UsageError("--once and --watch exclude each other")
    settings = Settings()
    configure_logging(settings)
    stopped = _stop_on_signals()
    progress = Progress(sys.stderr)
    builder = Builder(settings, open_catalog(settings), Dbt(settings, progress.on_event))
    while True:
        started = time.monotonic()
        try:
            landed = _drained(settings)
            try:
                report = builder.build(everything, progress.start)
            finally:
                progress.stop()
        except RetryableError as error:
            if not watch:
                raise
            log.warning("round put off", extra={"error": str(error)})
        else:
            _print_report(landed.tables, report, as_json=as_json, quiet=watch is not None and not report.results)
            if not watch:
                _raise_failures(report, landed)
                return
        if stopped.wait(max(0.0, watch - (time.monotonic() - started))):
            return


def _drained(settings: Settings) -> "Counts":
    """What the journals held is in raw; where another sink has them, it brings that there by itself."""
    from ingestion.lake.batch import Counts
    from ingestion.lake.journals import JournalsBusyError
    from ingestion.lake.sink import drain

    try:
        return drain(settings)
    except JournalsBusyError as error:
        log.info("journals are left to another sink", extra={"reason": str(error)})
        return Counts()


def _stop_on_signals() -> threading.Event:
    """Set by SIGTERM or SIGINT: the round under way is finished first; a second signal ends at once."""
    stopped = threading.Event()

    def stop(signum: int, frame: object) -> None:
        stopped.set()
        signal.signal(signum, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped


def _print_report(landed: dict[str, int], report: "BuildReport", *, as_json: bool, quiet: bool) -> None:
    results = {one.unique_id: one for one in report.results}
    models = [
        {
            "model": node.split(".")[-1],
            "rows_written": report.rows_written.get(report.tables[node], 0),
            "seconds": round(results[node].seconds, 1) if node in results else None,
            "result": results[node].status if node in results else "not run",
            "why": report.selection.reasons[node],
        }
        for node in report.selection.build
    ]
    tests = [one for one in report.results if one.is_test]
    failures = [{"node": one.unique_id, "message": one.message} for one in (*report.failed_nodes, *report.failed_tests)]
    skipped = [one.unique_id for one in (*report.skipped_nodes, *report.skipped_tests)]
    if as_json:
        counts = {"tests": len(tests), "failures": failures, "skipped": skipped}
        print_json({"landed": landed, "models": models, **counts})
        return
    if quiet and not landed:
        return
    if landed:
        print_rows([{"raw table": name, "rows": rows} for name, rows in sorted(landed.items())], title="landed")
    if not models:
        click.echo("nothing to build: no model has new input")
        return
    print_rows([{**model, "seconds": model["seconds"] or ""} for model in models], title="built")
    proven = sum(one.is_proven for one in tests)
    unchanged = f" ({proven} passed before, and hold of what is new)" if proven else ""
    left_out = f", {len(report.skipped_tests)} skipped" if report.skipped_tests else ""
    click.echo(f"{len(tests)} tests{unchanged}, {len(report.failed_tests)} failed{left_out}, {report.seconds:.1f} s")
    for failure in failures:
        echo(f"FAILED {failure['node']}: {failure['message']}", err=True)
    if report.skipped_nodes:
        names = ", ".join(one.unique_id.split(".")[2] for one in report.skipped_nodes)
        echo(f"SKIPPED because of that, not built: {names}", err=True)


def _raise_failures(report: "BuildReport", landed: "Counts") -> None:
    if failed := _counted(len(report.failed_nodes), len(report.failed_tests)):
        skipped = _counted(len(report.skipped_nodes), len(report.skipped_tests))
        because = f"skipped because of that: {skipped}; " if skipped else ""
        raise (PermanentError if report.failed_nodes else ContractError)(
            f"failed: {failed}; {because}the rest is built. Mend the models or their input as docs/operate/runbooks.md "
            "tells and run again: all of these are built and tested then"
        )
    if landed.unreadable:
        raise PermanentError("; ".join(landed.unreadable.values()))


def _counted(models: int, tests: int) -> str:
    """`1 model, 2 tests`; nothing for none."""
    counts = (("model", models), ("test", tests))
    return ", ".join(f"{count} {noun}{'s' * (count > 1)}" for noun, count in counts if count)
