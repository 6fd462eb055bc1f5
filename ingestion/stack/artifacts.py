"""The stack's programs: fetched once by Ivy, checked against requirements/stack.lock, unpacked once."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from ingestion.errors import PermanentError, RetryableError
from ingestion.lease import lease
from ingestion.runtime.jars import ensure_jars, locked_jars
from ingestion.runtime.java import find_java
from ingestion.settings import PROJECT_ROOT
from ingestion.stack.part import Part
from ingestion.stack.places import Places

STACK_LOCK = PROJECT_ROOT / "requirements" / "stack.lock"


def ensure_programs(part: Part, places: Places, say: Callable[[str], None], lock: Path = STACK_LOCK) -> Path:
    """The folder with the part's unpacked programs; needs neither network nor Java once it is there.

    The folder is named after the sha256 of artifacts and of the part's own sources, and appears whole or not at all.
    """
    wanted = locked_jars(part.name, lock)
    if not wanted:
        raise PermanentError(f"{lock} has no line for {part.name}; add the sha256 of its artifacts")
    known = "".join(sorted(wanted.values())).encode() + b"".join(path.read_bytes() for path in part.sources)
    digest = hashlib.sha256(known).hexdigest()[:12]
    folder = places.programs / f"{part.name}-{digest}"
    if folder.is_dir():
        return folder
    # Others that start a server at the same time would fetch beside it, into the cache that is removed here.
    with lease(places.artifacts.resolve().parent / "fetching.lock", RetryableError, wait=True):
        if not folder.is_dir():
            _fetch_and_unpack(part, places, say, lock, folder)
    return folder


def _fetch_and_unpack(part: Part, places: Places, say: Callable[[str], None], lock: Path, folder: Path) -> None:
    if not all((places.artifacts / part.name / name).is_file() for name in locked_jars(part.name, lock)):
        say(f"{part.title}: fetching {', '.join(locked_jars(part.name, lock))}")
    cache = places.artifacts.parent / "ivy"
    jars = ensure_jars(part.name, places.artifacts, find_java(places.artifacts.parent.parent), lock)
    shutil.rmtree(cache, ignore_errors=True)  # Ivy keeps a second copy of everything it has retrieved
    say(f"{part.title}: unpacking")
    draft = Path(tempfile.mkdtemp(prefix=f".{part.name}-", dir=places.programs))
    try:
        part.unpack(jars, draft)
        _open_to_all(draft)
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process, with artifacts of its own, was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    """Readable for the servers' account whatever the caller's umask is; what is runnable stays so."""
    folder.chmod(0o755)
    for parent, folders, files in os.walk(folder):
        for name in folders:
            (Path(parent) / name).chmod(0o755)
        for name in files:
            path = Path(parent) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
