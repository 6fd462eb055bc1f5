"""Column lineage kept from run to run: reading a long model's SQL takes seconds, and it seldom changes."""

import contextlib
import hashlib
import json
import re
from pathlib import Path

from ingestion.build.lineage.columns import Columns, column_lineage

Origins = dict[str, list[tuple[str, str]]]

_KEPT = 500
# What differs from run to run and says nothing about columns: pinned snapshots and times.
_PINS = re.compile(r"(?:for )?version as of \d+ /\*.*?\*/|timestamp '[^']*'", re.IGNORECASE)
_RANGES = re.compile(r"with \(`start-snapshot-id`[^)]*\)", re.IGNORECASE)  # in no dialect of the parser


class LineageCache:
    """One JSON file; a missing or broken one is an empty one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Origins | None] = {}
        with contextlib.suppress(OSError, json.JSONDecodeError):
            self._known = json.loads(file.read_text(encoding="utf-8"))
        self._is_changed = False

    def columns(self, sql: str, tables: Columns, dialect: str) -> Origins | None:
        """As `column_lineage`, which is asked only for SQL that differs in more than pins and times."""
        sql = _RANGES.sub("", sql)
        shape = json.dumps([_PINS.sub("", sql), tables, dialect], sort_keys=True)
        key = hashlib.sha256(shape.encode()).hexdigest()
        if key not in self._known:
            self._known[key] = column_lineage(sql, tables, dialect)
            self._is_changed = True
        return self._known[key]

    def save(self) -> None:
        """Write the newest entries; nothing if there is no new one."""
        if not self._is_changed:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        newest = dict(list(self._known.items())[-_KEPT:])
        fresh.write_text(json.dumps(newest), encoding="utf-8")
        fresh.replace(self._file)
