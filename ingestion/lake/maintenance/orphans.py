"""Files below a table's folder that nothing refers to: killed writers left them, or snapshots that have expired."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyarrow import fs
from pyiceberg.table import Table

from ingestion.lake.maintenance.contents import reachable


@dataclass(frozen=True)
class Orphan:
    """One file, by the path its file system knows."""

    path: str
    size: int


def orphans(table: Table, days: float, now: datetime) -> list[Orphan]:
    """Files older than `days` that no snapshot, no metadata and no earlier metadata of the log reaches.

    The age is what makes it safe beside writers: a file is written before the commit that refers to it.
    """
    system, root = fs.FileSystem.from_uri(table.metadata.location)
    limit = now.astimezone(UTC) - timedelta(days=days)
    old = [one for one in _files(system, root) if one.mtime is not None and one.mtime < limit]
    if not old:
        return []
    known = {fs.FileSystem.from_uri(location)[1] for location in reachable(table)}
    return [Orphan(one.path, one.size or 0) for one in old if one.path not in known and not _is_hint(one.path)]


def remove(table: Table, found: list[Orphan]) -> int:
    """Delete them; returns the bytes freed. A file that is gone already is no error."""
    system, _ = fs.FileSystem.from_uri(table.metadata.location)
    freed = 0
    for one in found:
        with contextlib.suppress(FileNotFoundError):
            system.delete_file(one.path)
            freed += one.size
    return freed


def _files(system: fs.FileSystem, root: str) -> Iterator[fs.FileInfo]:
    selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
    return (one for one in system.get_file_info(selector) if one.type == fs.FileType.File)


def _is_hint(path: str) -> bool:
    return path.endswith("version-hint.text")
