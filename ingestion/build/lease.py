"""One build of a lake at a time: a second one would read half of what the first has written."""

from contextlib import AbstractContextManager
from pathlib import Path

from ingestion.errors import RetryableError
from ingestion.lease import lease


def build_lease(home: Path) -> AbstractContextManager[None]:
    """Hold the lake's lease; entering it raises RetryableError (exit 75) at once if another process holds it.

    The operating system gives it back when the process ends, however it ends.
    """

    def busy(holder: str) -> RetryableError:
        return RetryableError(f"{home} is being built or maintained by process {holder}; try again later")

    return lease(home / "build.lock", busy)
