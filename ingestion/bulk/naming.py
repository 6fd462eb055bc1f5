"""What tables and columns of a source are called in raw."""

import re
from collections.abc import Iterable, Sequence

from ingestion.errors import UsageError

PLATFORM_COLUMNS = (
    "_event_id",
    "_op",
    "_load_type",
    "_position",
    "_source_at",
    "_loaded_at",
    "_run_id",
    "_raw_overflow",
)
_ODD = re.compile(r"\W")


def raw_table(source: str, schema: str, name: str, default_schema: str) -> str:
    """`raw.<source>_<table>`, with the schema's name in between outside the default one; lower case, odd characters
    as underscores."""
    middle = "" if schema == default_schema else f"{_plain(schema)}__"
    return f"raw.{source}_{middle}{_plain(name)}"


def raw_columns(names: Sequence[str], *, fold: bool = False) -> list[str]:
    """Names of columns in raw, in order: as in the source, but odd characters become underscores, and a name that is
    the platform's or differs from an earlier one by case only gets a number. `fold`: upper case means nothing."""
    taken = {name.lower() for name in PLATFORM_COLUMNS}
    found = []
    for name in names:
        wanted = _ODD.sub("_", name.lower() if fold and name == name.upper() else name)
        number, raw = 1, wanted
        while raw.lower() in taken:
            number += 1
            raw = f"{wanted}_{number}"
        taken.add(raw.lower())
        found.append(raw)
    return found


def refuse_collisions(source: str, tables: Iterable[tuple[str, str]]) -> None:
    """`tables`: source's name and raw name of each. Raises UsageError that names those with one raw name."""
    by_raw: dict[str, list[str]] = {}
    for name, raw in tables:
        by_raw.setdefault(raw, []).append(name)
    for raw, names in sorted(by_raw.items()):
        if len(names) > 1:
            raise UsageError(
                f"{source}: {' and '.join(sorted(names))} would both be {raw}; "
                f"name all but one of them under `exclude` of {source} in config/sources.yaml"
            )


def _plain(name: str) -> str:
    return _ODD.sub("_", name).lower()
