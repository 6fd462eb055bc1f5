"""`frazil <noun> <verb>`: one module per noun, imported when its noun is typed."""

import importlib
import sys

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ingestion.errors import FrazilError, RetryableError, UsageError
from ingestion.terminal import visible

NOUNS = {
    "setup": "Find Java, fetch jars, archive Spark's classes, create the lake's empty tables.",
    "demo": "Generated business, real server, dbt build, printed marts.",
    "webhooks": "Receive, send and list webhooks.",
    "sink": "Move journalled events into raw Iceberg tables.",
    "bulk": "Load whole tables of databases into raw.",
    "poll": "Ask databases without a log for their new rows.",
    "cdc": "Follow databases by their logs: Kafka, Debezium, sink.",
    "tables": "Row counts of the tables loaded from databases.",
    "schema": "Changes of columns in the databases.",
    "reconcile": "Prove that raw holds what a database held.",
    "quarantine": "List, show and replay what could not be read.",
    "run": "Sink, then dbt build of what has new input.",
    "er": "Which records are one customer: why, what to look at, decisions.",
    "query": "Read lake tables with SQL, without Spark.",
    "status": "Journals, tables, watermarks and quarantine at a glance.",
    "maintain": "Compaction, old snapshots, lost files, by each folder's policy.",
    "stack": "Real servers for development and tests: PostgreSQL, MariaDB.",
    "scaffold": "Write the files of a new source from an example event.",
}


class Nouns(click.Group):
    """Imports `ingestion.cli.<noun>` when it is asked for: Spark is not loaded to print a help page."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NOUNS:
            return None
        command = importlib.import_module(f"ingestion.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="frazil")
def cli() -> None:
    """Operational data in motion, frozen into Apache Iceberg, turned into trusted tables with dbt."""


def main() -> None:
    """Entry point; exit codes: 0 done, 1 failed, 2 wrong use, 3 contract broken, 75 try again."""
    try:
        cli(standalone_mode=False)
    except FrazilError as error:
        click.echo(visible(f"frazil: {error}"), err=True)
        sys.exit(error.exit_code)
    except ValidationError as error:  # only the settings are read outside the commands' own checks
        for problem in error.errors():
            name = "FRAZIL_" + "_".join(map(str, problem["loc"])).upper()
            click.echo(visible(f"frazil: {name}: {problem['msg']}; see docs/reference/settings.md"), err=True)
        sys.exit(UsageError.exit_code)
    except SettingsError as error:
        click.echo(visible(f"frazil: {error}; see docs/reference/settings.md"), err=True)
        sys.exit(UsageError.exit_code)
    except OSError as error:
        told = f"{error}; see that the disk has room, and FRAZIL_HOME can be read and written, then run it again"
        click.echo(visible(f"frazil: {told}"), err=True)
        sys.exit(RetryableError.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(UsageError.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("frazil: stopped", err=True)
        sys.exit(130)
