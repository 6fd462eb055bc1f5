"""Words that the verbs of `frazil bulk` have in common."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ingestion.cli.output import echo
from ingestion.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def selection_options(command: F) -> F:
    """`--table-filter` and `--tables`."""
    names = click.option("--tables", metavar="A,B", help="Only these tables, as table or schema.table.")
    like = click.option("--table-filter", metavar="PATTERN", help='Only tables like this, in SQL\'s words: "S_%".')
    return like(names(command))


def table_names(words: str | None) -> tuple[str, ...]:
    """`--tables a,b` as names; raises UsageError when it is given and empty."""
    if words is None:
        return ()
    names = tuple(name.strip() for name in words.split(",") if name.strip())
    if not names:
        raise UsageError("--tables is empty: write --tables orders,users")
    return names


def print_left_out(left_out: Mapping[str, str]) -> None:
    """A line for each thing that is not read."""
    for name, reason in left_out.items():
        echo(f"left out: {name}: {reason}")
