"""What polling needs of a database; see `ingestion.poll.window` for why."""

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError
from ingestion.poll.window import Running, State

_MODULES = {"postgres": "postgres", "mysql": "mysql"}


class Reads(Protocol):
    """A connection in a consistent view; see `ingestion.bulk.dialects.base.Reader`."""

    def read(self, table: SourceTable, chunk: Chunk) -> Iterator[pa.RecordBatch]: ...

    def fetch(self, sql: str) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class View:
    """One consistent view. `at` is the database's clock right after it was taken, `position` the place in its log as
    bulk copies have it. `xid` is the oldest transaction that ran in it and `next_xid` behind every one that had begun
    to write; both 0 where rows do not tell their transaction."""

    reader: Reads
    running: Running
    position: str
    at: datetime
    xid: int = 0
    next_xid: int = 0


class Views(Protocol):
    """How one kind of database is polled."""

    def opened(self, source: DatabaseSource) -> AbstractContextManager[View]:
        """A view, after the question what runs. Raises as the dialect's connections do."""
        ...

    def name(self, table: SourceTable) -> str:
        """The table as SQL has it."""
        ...

    def quoted(self, column: Column) -> str:
        """The cursor as SQL has it."""
        ...

    def text(self, column: Column) -> str:
        """SQL for a cursor's value as text, which `literal` takes back."""
        ...

    def fresh(self, column: Column, reached: str | None) -> str:
        """SQL: the cursor is above `reached`; with None, there is one."""
        ...

    def at_most(self, column: Column, value: str) -> str:
        """SQL: the cursor is at or below `value`, or there is none."""
        ...

    def late(self, column: Column, state: State, view: View) -> str:
        """SQL: the row may be one that the polls before could not see, at or below `state.reached`."""
        ...


def views_of(source: DatabaseSource) -> Views:
    """How this source is polled. Raises UsageError for a kind of database that is not."""
    if source.dialect not in _MODULES:
        raise UsageError(f"{source.name}: polling reads PostgreSQL, MySQL and MariaDB, not {source.dialect}; load it")
    module = importlib.import_module(f"ingestion.poll.views.{_MODULES[source.dialect]}")
    found: Views = module.VIEWS
    return found
