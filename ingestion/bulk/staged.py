"""What a database's table is called and made of in staging: the house's names, types and order of columns."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from ingestion.bulk.model import Column, SourceTable
from ingestion.errors import UsageError

Group = Literal["id", "text", "number", "boolean", "time"]
GROUPS: tuple[Group, ...] = ("id", "text", "number", "boolean", "time")

_RESERVED = frozenset(
    {
        *(
            "all",
            "and",
            "any",
            "as",
            "between",
            "both",
            "by",
            "case",
            "cast",
            "check",
            "column",
            "constraint",
            "create",
        ),
        *("cross", "cube", "current_date", "current_time", "current_timestamp", "current_user", "deallocate", "delete"),
        *("describe", "distinct", "drop", "else", "end", "escape", "except", "execute", "exists", "extract", "false"),
        *("fetch", "filter", "for", "foreign", "from", "full", "grant", "group", "grouping", "having", "in", "inner"),
        *("insert", "intersect", "interval", "into", "is", "join", "lateral", "leading", "left", "like", "limit"),
        *("localtime", "localtimestamp", "minus", "natural", "not", "null", "offset", "on", "only", "or", "order"),
        *(
            "outer",
            "overlaps",
            "partition",
            "prepare",
            "primary",
            "range",
            "recursive",
            "references",
            "right",
            "rollup",
        ),
        *("row", "rows", "select", "semi", "session_user", "set", "skip", "some", "table", "then", "time", "to"),
        *("trailing", "true", "truncate", "uescape", "union", "unique", "unknown", "unnest", "update", "user", "using"),
        *("values", "when", "where", "window", "with", "anti"),
    }
)
_OURS = frozenset({"is_deleted", "deleted_at"})
_INTERNAL = frozenset(
    {
        *("_place", "_rank", "_row_key", "_content_hash", "_change_position", "_deleted_position", "_is_deleted"),
        *("_deleted_at", "_log_deleted_at"),
    }
)
_TIME_WORDS = re.compile(r"_(?:time|ts|timestamp|datetime|date|on|utc)$")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class StagedColumn:
    """A column of a staging model; `expression` is SQL with Jinja."""

    name: str
    column: Column
    expression: str
    group: Group
    is_key: bool


@dataclass(frozen=True)
class StagedTable:
    """A staging model: `model` is its name, `entity` one of its rows. Without a key, `_row_key` of the macro is one."""

    table: SourceTable
    model: str
    entity: str
    columns: tuple[StagedColumn, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The staged names of the key, in its order."""
        return tuple(self.name_of(name) for name in self.table.key) or (f"{self.entity}_key",)

    def name_of(self, column: str) -> str:
        """The staged name of one of the source's columns."""
        return next(one.name for one in self.columns if one.column.name == column)


def staged_table(source: str, table: SourceTable) -> StagedTable:
    """Choose names, types and order. Raises UsageError for columns that no staging model can tell from its own."""
    clashing = sorted(one.field.name for one in table.columns if one.field.name.lower() in _INTERNAL)
    if clashing:
        raise UsageError(
            f"{table.schema}.{table.name}: staging uses the names {', '.join(clashing)} itself; rename them in the "
            f"source, or name the table under `exclude` of {source} in config/sources.yaml"
        )
    object_name = table.raw_name.removeprefix(f"raw.{source}_")
    entity = singular(object_name)
    taken: set[str] = set()
    columns = [_staged(table, column, entity, taken) for column in table.columns]
    in_order = sorted(columns, key=lambda one: (GROUPS.index(one.group), not one.is_key, _place(table, one)))
    return StagedTable(table, f"stg_{source}_{object_name}", entity, tuple(in_order))


def singular(word: str) -> str:
    """One of what a plural table name holds."""
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def quoted_in_jinja(raw: str) -> str:
    """A raw column in SQL: as it is where both engines read it so, else quoted by the engine. Case means nothing."""
    plain = raw.lower()
    return plain if _is_plain(plain) else f"{{{{ adapter.quote('{raw}') }}}}"


def key_columns(table: SourceTable) -> list[Column]:
    """The columns of the key, in its order."""
    found: Mapping[str, Column] = {column.name: column for column in table.columns}
    return [found[name] for name in table.key]


def _is_plain(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and name not in _RESERVED


def _place(table: SourceTable, one: StagedColumn) -> int:
    return table.key.index(one.column.name) if one.is_key else table.columns.index(one.column)


def _staged(table: SourceTable, column: Column, entity: str, taken: set[str]) -> StagedColumn:
    is_key = column.name in table.key
    kind = column.field.type
    base = _snake(column.field.name)
    if base == "id" and table.key == (column.name,):
        base = f"{entity}_id"
    is_id = base.endswith("_id") or base == "id"
    name = base if is_id else _with_suffix(base, kind)
    name = f"source_{name}" if name in _OURS else name
    name = f"{name}_value" if name in _RESERVED else name
    name = _distinct(name, taken)
    raw = quoted_in_jinja(column.field.name)
    as_text = is_id or (is_key and column.can_overflow)
    if as_text and not pa.types.is_string(kind) and not pa.types.is_binary(kind):
        text = f"cast({raw} as {{{{ dbt.type_string() }}}})"
        if column.can_overflow:
            text = f"coalesce({text}, element_at(_raw_overflow, '{column.field.name}'))"
        expression = f"{text} as {name}"
    elif name.startswith(("is_", "has_")) and column.source_type == "tinyint(1)":
        kind, expression = pa.bool_(), f"cast({raw} as boolean) as {name}"  # MySQL has no other boolean
    else:
        expression = raw if raw == name else f"{raw} as {name}"
    return StagedColumn(name, column, expression, "id" if is_id else _group(kind), is_key)


def _with_suffix(name: str, kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return name if name.startswith(("is_", "has_")) else f"is_{name}"
    if pa.types.is_timestamp(kind):
        return name if name.endswith("_at") else f"{_TIME_WORDS.sub('', name)}_at"
    if pa.types.is_date(kind):
        return name if name.endswith("_date") or name == "date" else f"{_TIME_WORDS.sub('', name)}_date"
    return name


def _group(kind: pa.DataType) -> Group:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    return "text"


def _distinct(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _snake(name: str) -> str:
    """'userId' and 'USER ID' as user_id, 'Größe' as grosse; leading underscores are the platform's."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    letters = unicodedata.normalize("NFKD", spaced.casefold()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    return f"x_{plain}" if not plain or plain[0].isdigit() else plain
