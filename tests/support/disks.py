"""A small disk of a test's own, to be filled up."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(parent: Path, mebibytes: int) -> Iterator[Path]:
    """A file system in memory; without root's right to mount one the test is skipped, and says so."""
    folder = parent / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    yield folder
    # Lazily: what a failed flush left to the garbage collector may hold a file open for a moment longer.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free(folder: Path) -> int:
    """Bytes that can still be written."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, leave: int) -> Path:
    """Fill the disk but for `leave` bytes; there is room again without the file that is returned."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free(folder) - leave)
    return ballast
