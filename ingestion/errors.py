"""Every error raised on purpose; the class decides the retry and the exit code, the message what to do next."""

from typing import ClassVar


class FrazilError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code: ClassVar[int] = 1


class RetryableError(FrazilError):
    """The same call may succeed later; `retry()` repeats on this and on nothing else."""

    exit_code = 75


class PermanentError(FrazilError):
    """No retry can help: quarantine the event, or stop the run."""


class UsageError(PermanentError):
    """The caller's words or settings are wrong; the message names the right ones."""

    exit_code = 2


class ContractError(PermanentError):
    """Data does not keep the promise made for it (schema, key, accounting)."""

    exit_code = 3
