"""What is said when the state folder, FRAZIL_HOME, is none."""

import errno
import os
from pathlib import Path

from ingestion.errors import UsageError

_LASTING = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)


def no_folder(path: Path, error: BaseException) -> UsageError | None:
    """The error to raise when `path` can never be made or written as things are; None where another try may help."""
    if not isinstance(error, OSError) or error.errno not in _LASTING:
        return None
    reason = os.strerror(errno.ENOTDIR) if error.errno == errno.EEXIST else error.strerror
    return UsageError(f"{path}: {reason}; set FRAZIL_HOME to a folder that can be made and written")
