"""File access of the lake that outlives a power cut: what a commit refers to is on disk before the commit."""

import contextlib
import os
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO


class _SyncedFile(pa.OSFile):  # type: ignore[misc]
    """A new file whose `close` returns after it and its folder are on disk; after a failed `write` it is removed.

    Arrow writes to it without Python: a Parquet file is hundreds of small writes, and before each of them a Python
    file would wait for its turn beside a thread that works in Python. Made with the mode "wb".
    """

    def __init__(self, path: str, _mode: str) -> None:
        self._path = Path(path)
        self._broken = False

    def write(self, data: Any) -> int:
        try:
            return int(super().write(data))
        except OSError:
            self._broken = True
            raise

    def close(self) -> None:
        if self.closed:
            return
        try:
            os.fsync(self.fileno())
        except OSError:
            self._broken = True
            raise
        finally:
            super().close()
            if self._broken:
                with contextlib.suppress(OSError):
                    self._path.unlink()
        sync_folder(self._path.parent)


class _SyncedOutput(PyArrowFile):
    def create(self, overwrite: bool = False) -> OutputStream:
        path = Path(self._path)
        if not overwrite and path.exists():
            raise FileExistsError(f"Cannot create file, already exists: {self.location}")
        make_folder(path.parent)
        return cast(OutputStream, _SyncedFile(str(path), "wb"))


class DurableFileIO(PyArrowFileIO):
    """pyiceberg's own file access, except that local files are synced when they are closed.

    The journal's rows are deleted after the commit: without this, a power cut could lose both.
    """

    def new_output(self, location: str) -> PyArrowFile:
        plain = super().new_output(location)
        if self.parse_location(location)[0] != "file":
            return plain
        return _SyncedOutput(location=location, path=plain._path, fs=plain._filesystem)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents, each entry on disk when this returns."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries (new and removed names) on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
