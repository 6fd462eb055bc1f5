"""Files below a table's folder that nothing refers to: killed writers left them, or snapshots that have expired."""

import contextlib
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from ingestion.lake.maintenance.contents import reachable

log = logging.getLogger(__name__)

_CHECKSUM = re.compile(r"^(.*/)\.([^/]+)\.crc$")
_SCHEME = re.compile(r"^[a-z][a-z0-9]*:(//)?")


@dataclass(frozen=True)
class Orphan:
    """One file, by the path its file system knows."""

    path: str
    size: int


def orphans(table: Table, days: float, now: datetime) -> list[Orphan]:
    """Files older than `days` that no snapshot, no metadata and no earlier metadata of the log reaches.

    The age is what makes it safe beside writers: a file is written before the commit that refers to it. When a file
    that the table needs does not appear in its folder, names cannot be compared: then nothing is an orphan.
    """
    limit = now.astimezone(UTC) - timedelta(days=days)
    needed = reachable(table)
    files = _files(table)
    known = {_path(location) for location in needed}
    absent = {_path(location) for location, size in needed.items() if size} - {one.path for one in files}
    if absent:
        log.warning("orphans_left", extra={"table": ".".join(table.name()), "not_in_its_folder": min(absent)})
        return []
    old = (one for one in files if one.mtime is not None and one.mtime < limit)
    return [Orphan(one.path, one.size or 0) for one in old if _owner(one.path) not in known and not _is_hint(one.path)]


def remove(table: Table, found: list[Orphan]) -> int:
    """Delete them; returns the bytes freed. A file that is gone already is no error."""
    system = _system(table)
    freed = 0
    for one in found:
        with contextlib.suppress(FileNotFoundError):
            system.delete_file(one.path)
            freed += one.size
    return freed


def _files(table: Table) -> list[fs.FileInfo]:
    selector = fs.FileSelector(_path(table.metadata.location), recursive=True, allow_not_found=True)
    return [one for one in _system(table).get_file_info(selector) if one.type == fs.FileType.File]


def _system(table: Table) -> fs.FileSystem:
    io = table.io
    assert isinstance(io, PyArrowFileIO)
    scheme, netloc, _ = io.parse_location(table.metadata.location)
    return io.fs_by_scheme(scheme, netloc)


def _path(location: str) -> str:
    """What stands behind `file:`, `file://` or `s3://`, letter for letter: Iceberg's names are no encoded addresses."""
    return _SCHEME.sub("", location)


def _owner(path: str) -> str:
    """The file itself, or the one whose checksum it holds: Spark writes `.name.crc` beside local files."""
    return _CHECKSUM.sub(r"\1\2", path)


def _is_hint(path: str) -> bool:
    return path.endswith("version-hint.text")
