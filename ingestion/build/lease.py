"""One build of a lake at a time: a second one would read half of what the first has written."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.errors import RetryableError


@contextmanager
def build_lease(home: Path) -> Iterator[None]:
    """Hold the lake's lease; raises RetryableError (exit 75) at once if another process holds it.

    The operating system gives it back when the process ends, however it ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "build.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise RetryableError(f"{home} is being built or maintained by process {holder}; try again later") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
