"""fdatasync without waiting for it.

By the kernel's asynchronous I/O (Linux since 4.18: io_submit(2) with IOCB_CMD_FDSYNC), which tells the event loop
through a descriptor that it is done; where that is missing or forbidden, by a thread outside of Python.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import caio

Done = Callable[[OSError | None], None]
KINDS: tuple[ModuleType | None, ...] = (caio.linux_aio, caio.thread_aio, caio.python_aio)


class Syncs:
    """One sync at a time; belongs to the event loop in which it is made. Raises OSError where no kind works."""

    def __init__(self, kinds: tuple[ModuleType | None, ...] = KINDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._kind, self._context = _first_that_works(kinds)
        self._operation: Any = None
        self._done: Done | None = None
        self._tells_by_descriptor = hasattr(self._context, "fileno")
        if self._tells_by_descriptor:
            self._loop.add_reader(self._context.fileno, self._take)

    def start(self, descriptor: int, done: Done) -> None:
        """Calls `done` once, later: with None when all that was written to that file is on disk."""
        self._operation, self._done = self._kind.Operation.fdsync(descriptor), done
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


def _first_that_works(kinds: tuple[ModuleType | None, ...]) -> tuple[Any, Any]:
    """A kind and a context of it; caio has None for a kind that this system lacks, and a sandbox may forbid one."""
    for kind in kinds:
        with suppress(OSError, SystemError):
            if kind is not None:
                return kind, kind.Context(max_requests=1)
    raise OSError("no way to sync a file works here; see `python -c 'import caio; print(caio.variants)'`")
