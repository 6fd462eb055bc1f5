"""Lines of `frazil bulk check`, and those that every dialect says alike about its tables."""

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from ingestion.bulk.model import Column, Finding, Policy, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.lake.tables import iceberg_type

_SHOWN = 8
_POLICIES: dict[Policy, str] = {
    "keep_text": "null, and its text in _raw_overflow",
    "null": "null",
    "clamp": "the nearest that it can; where there is none, null, and its text in _raw_overflow",
    "fail": "an error that stops the table's load",
}


def passed(check: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "pass", message)


def warned(check: str, message: str, fix: str) -> Finding:
    """Works, but the reader should know."""
    return Finding(check, "warn", message, fix)


def failed(check: str, message: str, fix: str) -> Finding:
    """A load would fail or lose something."""
    return Finding(check, "fail", message, fix)


def table_findings(
    source: DatabaseSource, tables: Sequence[SourceTable], left_out: Mapping[str, str]
) -> Iterator[Finding]:
    """Keys, types, columns that are not read, and what is no table."""
    if not tables:
        schemas = ", ".join(source.read_schemas)
        fix = "correct `schemas`, `include` and `exclude` in config/sources.yaml"
        yield failed("tables", f"nothing to read in {schemas}", fix)
        return
    yield passed("tables", f"{len(tables)} tables, about {sum(table.rows for table in tables):,} rows")
    keyless = [f"{table.schema}.{table.name}" for table in tables if not table.key]
    if keyless:
        fix = "add a primary key where you can: without one a stopped load starts over, and changes cannot be merged"
        yield warned("keys", f"no primary key: {_listed(keyless)}", fix)
    for table in tables:
        for name, reason in table.excluded.items():
            fix = "see long_columns in config/sources.yaml, or change the column's type"
            yield warned("columns", f"{table.schema}.{table.name}.{name} is not read: {reason}", fix)
    yield from _types(tables)
    for name, reason in sorted(left_out.items()):
        yield passed("left out", f"{name}: {reason}")


def _types(tables: Sequence[SourceTable]) -> Iterator[Finding]:
    """Which raw type each type of the source has, and what becomes of values that it cannot hold."""
    chosen: dict[str, list[str]] = {}
    guarded: dict[Policy, list[str]] = {}
    for table in tables:
        for column in table.columns:
            chosen.setdefault(_mapping(column), []).append(f"{table.name}.{column.name}")
            if column.can_overflow:
                guarded.setdefault(column.policy, []).append(f"{table.name}.{column.name}")
    for mapping, names in sorted(chosen.items()):
        yield passed("types", f"{mapping}: {_listed(names)}")
    for policy, names in sorted(guarded.items()):
        becomes = _POLICIES[policy]
        yield passed("out of range", f"a value that its raw type cannot hold becomes {becomes}: {_listed(names)}")


def _mapping(column: Column) -> str:
    kind = column.field.type
    own = column.source_type if pa.types.is_decimal(kind) else re.sub(r"\(.*?\)", "", column.source_type)
    note = f" ({column.note})" if column.note else ""
    return f"{own} as {iceberg_type(kind) or kind}{note}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
