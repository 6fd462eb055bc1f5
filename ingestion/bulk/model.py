"""What a database holds and how it is read: the words shared by dialects, engines and commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pyarrow as pa

Policy = Literal["keep_text", "null", "clamp", "fail"]
Consistency = Literal["snapshot", "per_chunk"]


@dataclass(frozen=True)
class Column:
    """One column of a source's table and its form in raw.

    `field` has the raw name and Arrow type of the type contract. `can_overflow`: the source's type holds values that
    the raw type does not; `policy` says what becomes of them. `note` says what a reader of the plan should know.
    `expression` is the dialect's SQL that gives the raw value, `{}` stands for the quoted column.
    """

    name: str
    source_type: str
    field: pa.Field
    nullable: bool = True
    can_overflow: bool = False
    policy: Policy = "keep_text"
    note: str = ""
    expression: str = "{}"


@dataclass(frozen=True)
class ForeignKey:
    """`columns` of a table refer to `referred_columns` of another."""

    columns: tuple[str, ...]
    referred_schema: str
    referred_table: str
    referred_columns: tuple[str, ...]


@dataclass(frozen=True)
class SourceTable:
    """One table as found; `rows` and `bytes` are the database's estimates. `key` is the primary key, or empty."""

    schema: str
    name: str
    raw_name: str  # "raw.shop_orders"
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rows: int = 0
    bytes: int = 0
    excluded: Mapping[str, str] = field(default_factory=dict)  # column -> why it is not read
    kind: str = "table"  # or "partitioned", or the storage engine where it matters
    watched: tuple[str, ...] = ()  # columns outside the contract: rows with a value there are left out
    takes_watched: bool = False  # the other way round: those rows alone

    @property
    def raw_schema(self) -> pa.Schema:
        """The source's columns in raw, in order, without the platform's (`_raw_overflow` and the rest)."""
        return pa.schema([column.field for column in self.columns])

    def condition(self, predicate: str, quoted: Callable[[str], str]) -> str:
        """SQL for the rows of a chunk that are read, empty for all."""
        if not self.watched:
            return predicate
        within = " and ".join(f"{quoted(name)} is null" for name in self.watched)
        own = f"not ({within})" if self.takes_watched else f"({within})"
        return f"({predicate}) and {own}" if predicate else own

    @property
    def silent(self) -> dict[int, Column]:
        """By its place, each column of which a value may be changed without its text being kept."""
        places = enumerate(self.columns)
        return {place: one for place, one in places if one.can_overflow and one.policy in ("null", "clamp")}


@dataclass(frozen=True)
class Chunk:
    """A part of a table that is read and committed at once.

    The chunks of one plan do not overlap and leave nothing out. `id` is stable for one plan ("ctid:0-4095"),
    `predicate` is SQL over the table's own columns, "" for all of it. `relation` is the quoted partition that holds the
    whole chunk, where the dialect knows it: reading that one instead of the table is cheaper and gives the same rows.
    """

    id: str
    predicate: str
    rows: int
    bytes: int
    relation: str = ""


@dataclass(frozen=True)
class Position:
    """A place in the source's log and what a snapshot taken there sees.

    `position` sorts as text (fixed width): LSN, binlog file and offset, or SCN. `snapshot` is what the change stream is
    filtered by (PostgreSQL's `xmin:xmax:xip`, MySQL's GTID set; the SCN), `start` where the log is to be read from.
    """

    position: str
    snapshot: str
    start: str
    captured_at: datetime


@dataclass(frozen=True)
class Finding:
    """One line of `frazil bulk check`; `fix` says what to do, "" when passed."""

    check: str
    level: Literal["pass", "warn", "fail"]
    message: str
    fix: str = ""
