"""What the lake's disk and catalog say while a table is loaded."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from ingestion.errors import PermanentError, RetryableError

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def lake_errors(name: str) -> Iterator[None]:
    """Errors of disk and catalog as one line about the table `name`; the class says whether another try can help."""
    try:
        yield
    except (OSError, SQLAlchemyError, RetryableError) as error:
        if _is_disk_full(error) or _is_disk_full(error.__cause__):
            raise PermanentError(f"{name}: the disk of the lake is full; make room") from error
        if isinstance(error, RetryableError):
            raise
        if isinstance(error, OSError):
            raise RetryableError(f"{name}: {error}") from error
        reason = " ".join(str(error).split())[:200]
        raise RetryableError(f"{name}: the lake's catalog does not answer ({reason})") from error


def _is_disk_full(error: BaseException | None) -> bool:
    return (isinstance(error, OSError) and error.errno in _FULL_DISK) or "disk is full" in str(error)  # as SQLite says
