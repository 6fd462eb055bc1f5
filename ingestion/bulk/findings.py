"""Lines of `frazil bulk check`, and those that every dialect says alike about its tables."""

from collections.abc import Iterator, Mapping, Sequence

from ingestion.bulk.model import Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource

_SHOWN = 8


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
    notes: dict[str, list[str]] = {}
    for table in tables:
        for column in table.columns:
            if column.note:
                notes.setdefault(column.note, []).append(f"{table.name}.{column.name}")
        for name, reason in table.excluded.items():
            fix = "see long_columns in config/sources.yaml, or change the column's type"
            yield warned("columns", f"{table.schema}.{table.name}.{name} is not read: {reason}", fix)
    for note, names in sorted(notes.items()):
        yield passed("types", f"{note}: {_listed(names)}")
    guarded = [f"{table.name}.{one.name}" for table in tables for one in table.columns if one.can_overflow]
    if guarded:
        yield passed("types", f"values out of range are kept as text ({source.out_of_range}): {_listed(guarded)}")
    for name, reason in sorted(left_out.items()):
        yield passed("left out", f"{name}: {reason}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
