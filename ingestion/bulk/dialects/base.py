"""What a database must be able to do to be loaded; one module beside this per dialect."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from ingestion.bulk.model import Chunk, Finding, Position, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError


@dataclass(frozen=True)
class Jdbc:
    """How Spark reads from the database; `session_statement` runs on each connection before its query."""

    url: str
    driver: str
    properties: Mapping[str, str]
    session_statement: str


class TableChangedError(RetryableError):
    """The table was written anew after the snapshot, which no longer sees its rows: only a new snapshot does."""


class Reader(Protocol):
    """One connection that sees the database as it was at its snapshot's position, whatever is written meanwhile."""

    def hold(self, table: SourceTable) -> None:
        """Keep others from changing the form of the table as long as this reader's connection lives.

        Raises TableChangedError if that happened since the snapshot, PermanentError if the table is gone.
        """
        ...

    def read(self, table: SourceTable, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """The chunk's rows through the typed projection: the columns of `table.raw_schema`, then `_raw_overflow`
        (map<string, string>, null where nothing overflowed). Raises RetryableError on a lost connection."""
        ...

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one statement, seen at the same position."""
        ...


class Snapshot(Protocol):
    """One consistent view of all tables, open until it is closed; its readers may be used by one thread each."""

    position: Position

    def reader(self) -> AbstractContextManager[Reader]:
        """A reader of this view; blocks when as many as were asked for are in use."""
        ...

    def spare(self) -> AbstractContextManager[Reader | None]:
        """A further reader for who holds one, None where all are in use: waiting for it might be for ever."""
        ...

    def jdbc(self) -> Jdbc:
        """For Spark's own connections; they see this very snapshot where the database can share it."""
        ...


class Dialect(Protocol):
    """Statements and types of one kind of database. All methods raise UsageError with one clear line for a wrong
    host, password, database or privilege, RetryableError for what may pass."""

    name: str
    shares_snapshot: bool  # whether connections that are made later can join an open snapshot
    range_error: str  # in what the server says when `select` meets a value that its column's policy `fail` refuses

    def tables(self, source: DatabaseSource) -> list[SourceTable]:
        """All tables of the source that may be read, sorted; types chosen by the contract."""
        ...

    def left_out(self, source: DatabaseSource) -> dict[str, str]:
        """What is there and is not read (views, excluded tables), as schema.name, with the reason."""
        ...

    def check(self, source: DatabaseSource) -> Iterator[Finding]:
        """What is right and wrong with the source, one line each, the cheapest first."""
        ...

    def prepare_log(self, source: DatabaseSource) -> None:
        """Make what keeps the log from this moment on (PostgreSQL: publication and slot), unless it is there."""
        ...

    def snapshot(self, source: DatabaseSource, readers: int) -> AbstractContextManager[Snapshot]:
        """Capture the position and open one consistent view with up to `readers` readers."""
        ...

    def chunks(self, reader: Reader, table: SourceTable, target_bytes: int, *, by_key: bool) -> list[Chunk]:
        """Split a table into chunks of about `target_bytes`; `by_key`: by ranges of its key, so that a chunk means the
        same rows in another snapshot. Without a key and `by_key`, one chunk."""
        ...

    def select(self, table: SourceTable, chunk: Chunk) -> str:
        """The typed projection of a chunk: raw's values, settled by the source itself; no trailing semicolon."""
        ...

    def spark_select(self, table: SourceTable, chunk: Chunk) -> str:
        """`select` as Spark's connections read it, without anything that Spark or a driver would bend: columns c0, c1,
        ... in the table's order, dates as days and times as microseconds since 1970 where the database can count them,
        then m<place> for each of the table's `silent` columns: 1 where its value does not fit, else null; then
        `overflow`: a JSON object of the kept texts by raw name, null where there are none."""
        ...

    def row_hash(self, table: SourceTable, predicate: str) -> str:
        """A query of one row: row count, and the sum modulo 2^64 of the rows' 64-bit hashes as text. A row's hash is
        that of `ingestion.bulk.rowhash` over the typed projection."""
        ...

    def row_hashes(self, table: SourceTable, predicate: str) -> str:
        """A query of key columns (as text) and row hash (as text), for showing the keys that differ."""
        ...


def by_name(name: str) -> Dialect:
    """The dialect called `name` (postgres, mysql, oracle)."""
    module = importlib.import_module(f"ingestion.bulk.dialects.{name}")
    dialect: Dialect = module.DIALECT
    return dialect
