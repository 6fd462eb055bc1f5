"""Leases of the machine: a file that one process at a time holds, given back when it ends, however it ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.errors import FrazilError


@contextmanager
def lease(path: Path, busy: Callable[[str], FrazilError], *, wait: bool = False) -> Iterator[None]:
    """Hold the file `path`; raises what `busy` makes of the holder's process id if another process holds it.

    With `wait`, waits for it instead. Within one process it excludes threads too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise busy(file.read().strip() or "unknown") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
