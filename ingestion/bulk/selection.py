"""Which tables of a source a command is about: `--table-filter` and `--tables`."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from ingestion.bulk.dialects.base import Dialect
from ingestion.bulk.model import SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError


def selected(
    source: DatabaseSource, tables: Sequence[SourceTable], pattern: str | None, names: Sequence[str]
) -> list[SourceTable]:
    """The tables whose name is LIKE `pattern` (SQL's % and _, case as written) and in `names`, where these are given.

    A name is `table` or `schema.table`. Raises UsageError when a name is unknown or no table is left.
    """
    if not tables:
        schemas = ", ".join(source.read_schemas)
        raise UsageError(f"{source.name}: no table to read in schema {schemas}; see schemas, include and exclude")
    known = {name: table for table in tables for name in (table.name, f"{table.schema}.{table.name}")}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 3)
            hint = f"near names: {', '.join(near)}" if near else f"see `frazil bulk discover {source.name}`"
            raise UsageError(f"{source.name}: no table {name}; {hint}")
    wanted = [known[name] for name in dict.fromkeys(names)] if names else list(tables)
    if pattern is not None:
        like = re.compile(_expression(pattern), re.DOTALL)
        wanted = [table for table in wanted if like.fullmatch(table.name)]
    if not wanted:
        raise UsageError(f"{source.name}: no table is like {pattern!r}; see `frazil bulk discover {source.name}`")
    return list({table.raw_name: table for table in wanted}.values())


def passed_over(
    source: DatabaseSource, dialect: Dialect, tables: Sequence[SourceTable], pattern: str | None, names: Sequence[str]
) -> dict[str, str]:
    """What is not read where `tables` are selected, as schema.name or schema.table.column, with the reason.

    Views, excluded tables and the like count where no name was given and `pattern` is like them.
    """
    found = {} if names else dialect.left_out(source)
    if pattern is not None:
        like = re.compile(_expression(pattern), re.DOTALL)
        found = {name: reason for name, reason in found.items() if like.fullmatch(name.partition(".")[2])}
    return {**found, **excluded_columns(tables)}


def excluded_columns(tables: Sequence[SourceTable]) -> dict[str, str]:
    """The columns of `tables` that are not read, as schema.table.column, with the reason."""
    return {
        f"{table.schema}.{table.name}.{name}": reason for table in tables for name, reason in table.excluded.items()
    }


def _expression(pattern: str) -> str:
    parts = {"%": ".*", "_": "."}
    return "".join(parts.get(letter) or re.escape(letter) for letter in pattern)
