"""The staging models of a database, in the house style: one `_sources.yml`, and a model with its YAML per table."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import yaml

from ingestion.bulk.declared import type_name
from ingestion.bulk.model import Column, ForeignKey, SourceTable
from ingestion.bulk.staged import StagedColumn, StagedTable, key_columns, staged_table
from ingestion.errors import UsageError

_WIDTH = 110
_PLATFORM = {
    "is_deleted": "The row is gone from the source; the last known values are kept.",
    "deleted_at": "Since when: the log's time of it, or the beginning of the first copy without the row.",
    "_raw_id": "`_event_id` of the raw row the values come from.",
    "_position": "Place of that row in the source's order; empty while only a delete is known.",
    "_deleted_position": "Place of the latest delete in the source's log.",
    "_raw_overflow": "Text of values that their column's type cannot hold, by the raw column's name.",
    "_loaded_at": "When that row was loaded.",
    "_staged_at": "Start of the run that last changed the row.",
}


class File(NamedTuple):
    """One file to write; `path` is below the project's root."""

    path: Path
    text: str


class Scaffolded(NamedTuple):
    """What became of one file; `diff` is from what is there to what would be written."""

    path: Path
    state: Literal["written", "unchanged", "different", "absent"]
    diff: str = ""


def compose(source: str, tables: Sequence[SourceTable]) -> list[File]:
    """The files of all `tables` of a source."""
    if not tables:
        raise UsageError(f"{source} has no table to stage; see `frazil bulk discover {source}`")
    folder = Path("models") / "staging" / source
    staged = {(table.schema, table.name): staged_table(source, table) for table in tables}
    files = [File(folder / "_sources.yml", _sources(source, tables))]
    for one in staged.values():
        files.append(File(folder / f"{one.model}.sql", _model(source, one)))
        files.append(File(folder / f"{one.model}.yml", _model_yaml(source, one, staged)))
    return files


def write(files: Sequence[File], root: Path, *, only_new: bool) -> list[Scaffolded]:
    """Write the files that are absent. One that is there is never touched; where one differs, nothing is written
    unless `only_new` says to write the absent ones all the same."""
    found = [_compared(file, root) for file in files]
    if any(one.state == "different" for one in found) and not only_new:
        return found
    done = []
    for file, one in zip(files, found, strict=True):
        if one.state == "absent":
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
            one = one._replace(state="written")
        done.append(one)
    return done


def _compared(file: File, root: Path) -> Scaffolded:
    path = root / file.path
    if not path.exists():
        return Scaffolded(file.path, "absent")
    present = path.read_text(encoding="utf-8")
    if present == file.text:
        return Scaffolded(file.path, "unchanged")
    lines = unified_diff(
        present.splitlines(keepends=True), file.text.splitlines(keepends=True), str(file.path), "from the database"
    )
    return Scaffolded(file.path, "different", "".join(lines))


def _sources(source: str, tables: Iterable[SourceTable]) -> str:
    lines = [
        "sources:",
        "  - name: raw",
        "    schema: raw",
        f"    description: Tables of the database {source}, as `frazil bulk load {source}` reads them.",
        "    config:",
        "      loaded_at_field: _loaded_at",
        "      freshness: {warn_after: {count: 24, period: hour}}",
        "    tables:",
    ]
    for table in tables:
        lines += [
            f"      - name: {table.raw_name.removeprefix('raw.')}",
            f"        description: {_scalar(f'Rows of {table.schema}.{table.name}: whole copies, and changes.')}",
            f"        config: {{meta: {{key: [{', '.join(_scalar(c.field.name) for c in key_columns(table))}]}}}}",
            "        columns:",
        ]
        for column in table.columns:
            facts = {
                "name": column.field.name,
                "data_type": type_name(column.field.type),
                "description": _source_type(column),
            }
            lines.append(f"          - {{{', '.join(f'{name}: {_scalar(text)}' for name, text in facts.items())}}}")
    return "\n".join(lines) + "\n"


def _source_type(column: Column) -> str:
    note = f"; {column.note}" if column.note else ""
    return f"{column.source_type}{'' if column.nullable else ' not null'} in the source{note}."


def _model(source: str, one: StagedTable) -> str:
    key = f"'{one.key[0]}'" if len(one.key) == 1 else "[" + ", ".join(f"'{name}'" for name in one.key) + "]"
    lines = [
        f"{{{{ config(unique_key={key}, meta={{'merge_by': 'position', 'copies': true}}) }}}}",
        "",
        "with",
        "",
        "changes as (",
        "",
        *_call(one),
        "",
        ")",
        "",
        "select",
        *([] if one.table.key else [f"    _row_key as {one.key[0]},"]),
        *(f"    {column.expression}," for column in one.columns if column.group != "time"),
        "    _is_deleted as is_deleted,",
        *(f"    {column.expression}," for column in one.columns if column.group == "time"),
        "    _deleted_at as deleted_at,",
        "    _event_id as _raw_id,",
        "    _change_position as _position,",
        "    _deleted_position,",
        "    _raw_overflow,",
        "    _loaded_at,",
        "    {{ run_timestamp() }} as _staged_at",
        "from changes",
    ]
    return "\n".join(lines) + "\n"


def _call(one: StagedTable) -> list[str]:
    table = one.table
    arguments = [f"source('raw', '{table.raw_name.removeprefix('raw.')}')"]
    if table.key:
        names = [column.field.name for column in key_columns(table)]
        overflowing = [column.field.name for column in key_columns(table) if column.can_overflow]
        arguments.append(_list(names) if len(names) > 1 else repr(names[0]))
        arguments += [f"overflowing={_list(overflowing)}"] if overflowing else []
    else:
        arguments += ["none", f"identified_by={_list([c.field.name for c in table.columns if _is_comparable(c)])}"]
    call = f"    {{{{ database_changes({', '.join(arguments)}) }}}}"
    if len(call) <= 100:
        return [call]
    return [
        "    {{ database_changes(",
        *(f"        {one}," for one in arguments[:-1]),
        *_wrapped(arguments[-1]),
        "    ) }}",
    ]


def _wrapped(argument: str) -> list[str]:
    """One argument in lines of at most 100 columns."""
    if len(argument) <= 92:
        return [f"        {argument}"]
    start, _, rest = argument.partition("[")
    lines, line = [f"        {start}["], "           "
    for item in rest.removesuffix("]").split(", "):
        if len(line) + len(item) + 2 > 100:
            lines, line = [*lines, line], "           "
        line += f" {item},"
    return [*lines, line.removesuffix(","), "        ]"]


def _is_comparable(column: Column) -> bool:
    """Whether both engines write a value as the same text."""
    kind = column.field.type
    return not (pa.types.is_floating(kind) or pa.types.is_binary(kind))


def _list(names: Iterable[str]) -> str:
    return "[" + ", ".join(repr(name) for name in names) + "]"


def _model_yaml(source: str, one: StagedTable, staged: Mapping[tuple[str, str], StagedTable]) -> str:
    grain = " and ".join(f"`{name}`" for name in one.key)
    what = f"{source} {one.entity.replace('_', ' ')}"
    lines = [
        "models:",
        f"  - name: {one.model}",
        f"    description: The current state of each {what}; one row per {grain}.",
        "    data_tests:",
        f"      - unique_key: {{arguments: {{columns: [{', '.join(one.key)}]}}}}",
        *_filled(one),
        *_references(one, staged),
        "    columns:",
    ]
    described: list[tuple[str, str]] = []
    if not one.table.key:
        described.append(
            (one.key[0], "Stands for the row, which has no key: hash of its values, and which of equal rows.")
        )
    described += [(column.name, _meaning(column)) for column in one.columns if column.group != "time"]
    described.append(("is_deleted", _PLATFORM["is_deleted"]))
    described += [(column.name, _meaning(column)) for column in one.columns if column.group == "time"]
    described += [(name, text) for name, text in _PLATFORM.items() if name != "is_deleted"]
    for name, text in described:
        lines += [f"      - name: {name}", f"        description: {_scalar(text)}"]
    return "\n".join(lines) + "\n"


def _meaning(one: StagedColumn) -> str:
    """What is known of a column: its name there, its type, and what staging makes of it."""
    is_local = pa.types.is_timestamp(one.column.field.type) and one.column.field.type.tz is None
    zone = "; local time, without a zone" if is_local else ""
    return f"`{one.column.name}`, {one.column.source_type} in the source{zone}."


def _filled(one: StagedTable) -> Iterator[str]:
    never_null = [
        column
        for column in one.columns
        if not column.column.nullable
        and not column.is_key
        and not (column.column.can_overflow and column.column.policy == "null")
    ]
    if not never_null:
        return
    overflowing = {c.name: c.column.field.name for c in never_null if c.column.can_overflow and not _is_text(c)}
    yield "      - filled:"
    yield "          arguments:"
    yield from _yaml_list("columns", [column.name for column in never_null], 12)
    if overflowing:
        yield "            overflowing:"
        yield from (f"              {name}: {_scalar(raw)}" for name, raw in overflowing.items())


def _is_text(one: StagedColumn) -> bool:
    return one.expression.startswith("coalesce(")


def _yaml_list(name: str, items: Sequence[str], indent: int) -> Iterator[str]:
    flow = f"{' ' * indent}{name}: [{', '.join(items)}]"
    if len(flow) <= _WIDTH:
        yield flow
        return
    yield f"{' ' * indent}{name}:"
    yield from (f"{' ' * (indent + 2)}- {item}" for item in items)


def _references(one: StagedTable, staged: Mapping[tuple[str, str], StagedTable]) -> Iterator[str]:
    """A table may be loaded, or shown, before the one it refers to: broken references warn."""
    for key in one.table.foreign_keys:
        other = staged.get((key.referred_schema, key.referred_table))
        if other and _is_read(key, one, other):
            own = ", ".join(one.name_of(name) for name in key.columns)
            theirs = ", ".join(other.name_of(name) for name in key.referred_columns)
            yield "      - refers_to:"
            yield f"          arguments: {{columns: [{own}], to: ref('{other.model}'), to_columns: [{theirs}]}}"
            yield "          config: {severity: warn}"


def _is_read(key: ForeignKey, one: StagedTable, other: StagedTable) -> bool:
    """Whether the columns on both sides are among those that are read."""
    own = {column.name for column in one.table.columns}
    return own.issuperset(key.columns) and {c.name for c in other.table.columns}.issuperset(key.referred_columns)


def _scalar(value: str) -> str:
    """`value` as YAML text, quoted where YAML would read something else."""
    plain = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).splitlines()[0]
    is_plain = plain == value and not any(mark in plain for mark in ",[]{}*#:")
    return plain if is_plain else json.dumps(value, ensure_ascii=False)
