"""fdatasync without waiting for it.

By the kernel's asynchronous I/O (Linux since 4.18: io_submit(2) with IOCB_CMD_FDSYNC), which tells the event loop
through a descriptor that it is done; where that is missing or forbidden, by a thread outside of Python.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

import caio

from ingestion.errors import RetryableError

Done = Callable[[OSError | None], None]


class Kind(NamedTuple):
    """One of caio's modules, None where this system lacks it, and what its context is made with."""

    module: ModuleType | None
    options: dict[str, int]


KINDS = (
    Kind(caio.linux_aio, {"max_requests": 1}),
    Kind(caio.thread_aio, {"max_requests": 1, "pool_size": 1}),
    Kind(caio.python_aio, {"max_requests": 1, "pool_size": 1}),
)


class Syncs:
    """One sync at a time; belongs to the event loop in which it is made. Raises RetryableError where no kind works."""

    def __init__(self, kinds: Sequence[Kind] = KINDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._module, self._context = _first_that_works(kinds)
        self._operation: Any = None
        self._done: Done | None = None
        self._tells_by_descriptor = hasattr(self._context, "fileno")
        if self._tells_by_descriptor:
            self._loop.add_reader(self._context.fileno, self._take)

    def start(self, descriptor: int, done: Done) -> None:
        """Calls `done` once, later: with None when all that was written to that file is on disk."""
        self._operation, self._done = self._module.Operation.fdsync(descriptor), done
        if not self._tells_by_descriptor:
            self._operation.set_callback(lambda _: self._loop.call_soon_threadsafe(self._tell))
        try:
            self._context.submit(self._operation)
        except Exception as error:
            self._loop.call_soon(self._give, OSError(str(error)))

    def close(self) -> None:
        if self._tells_by_descriptor:
            self._loop.remove_reader(self._context.fileno)
        else:
            self._context.close()

    def _take(self) -> None:
        with suppress(BlockingIOError):
            self._context.poll()
        if self._context.process_events():
            self._tell()

    def _tell(self) -> None:
        failure: OSError | None = None
        try:
            self._operation.get_value()
        except (OSError, SystemError) as error:
            failure = OSError(str(error))
        self._give(failure)

    def _give(self, failure: OSError | None) -> None:
        done, self._done = self._done, None
        assert done is not None, "a sync has been told twice"
        done(failure)


def _first_that_works(kinds: Sequence[Kind]) -> tuple[Any, Any]:
    """A kind's module and a context of it; a sandbox may forbid a kind, or give no thread."""
    for kind in kinds:
        with suppress(OSError, SystemError, RuntimeError):
            if kind.module is not None:
                return kind.module, kind.module.Context(**kind.options)
    raise RetryableError("no way to sync a journal works here: raise fs.aio-max-nr, or let this process have threads")
