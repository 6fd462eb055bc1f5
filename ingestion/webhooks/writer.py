"""Group commit: everything that waits is brought to disk by one sync, then what came meanwhile by the next.

The event loop writes a group into the system's memory, and goes on while the system brings it to disk.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from ingestion.webhooks.journal import Delivery, Group, Journal
from ingestion.webhooks.syncs import Syncs

_MAX_GROUP = 256
_MAX_GROUP_BYTES = 4 * 1024 * 1024
_PRUNE_SECONDS = 30.0
_RETRY_SECONDS = 10.0
log = logging.getLogger(__name__)


Stored = Callable[[bool | None], None]


class _Waiting(NamedTuple):
    delivery: Delivery
    stored: Stored


class _Written(NamedTuple):
    """A group on its way to the disk since `at` (seconds, by time.perf_counter)."""

    waiting: list[_Waiting]
    group: Group
    at: float


class GroupWriter:
    """Owns `journal` from its making until `stop`; all methods belong to the event loop."""

    def __init__(self, journal: Journal, on_commit: Callable[[float], None] = lambda seconds: None) -> None:
        self._journal = journal
        self._on_commit = on_commit
        self._waiting: deque[_Waiting] = deque()
        self.waiting_bytes = 0
        self._is_busy = False
        self._written: _Written | None = None
        self._loop = asyncio.get_running_loop()
        self._syncs = Syncs()
        self._idle = asyncio.Event()
        self._idle.set()
        self._prune_timer = self._loop.call_later(_PRUNE_SECONDS, self._prune_when_idle)
        self._retry_timer: asyncio.TimerHandle | None = None
        self.problem: str | None = None
        """Why the last write failed; without deliveries another one is tried every few seconds."""

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        """Calls `stored` once: True for stored now, False for a repeat of what is stored, None for not on disk."""
        if not self._waiting and not self._is_busy:
            self._loop.call_soon(self._start)  # after the other requests of this turn have joined
        self._waiting.append(_Waiting(delivery, stored))
        self.waiting_bytes += len(delivery.body)

    async def stop(self) -> None:
        """Bring to disk what waits, then close the journal."""
        self._prune_timer.cancel()
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        while self._waiting or self._is_busy:
            self._idle.clear()
            await self._idle.wait()
        self._syncs.close()
        self._journal.close()

    def _start(self) -> None:
        if self._is_busy:
            return
        while self._waiting:
            waiting = self._take()
            try:
                group = self._journal.stage([item.delivery for item in waiting])
                if self._is_on_its_way(waiting, group):
                    return
            except Exception as error:
                self._fail(waiting, error)
            else:
                _answer(waiting, [False] * len(waiting))
        self._idle.set()

    def _is_on_its_way(self, waiting: list[_Waiting], group: Group) -> bool:
        """Whether there was something to write; raises what writing raises."""
        if group.frame is None:
            return False
        descriptor = self._journal.write(group.frame)
        self._written = _Written(waiting, group, time.perf_counter())
        self._is_busy = True
        self._syncs.start(descriptor, self._synced)
        return True

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and len(taken) < _MAX_GROUP and size < _MAX_GROUP_BYTES:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].delivery.body)
        self.waiting_bytes -= size
        return taken

    def _synced(self, failure: OSError | None) -> None:
        assert self._written is not None
        waiting, group, written_at = self._written
        self._written, self._is_busy = None, False
        seconds = time.perf_counter() - written_at
        self._journal.settle(group, is_on_disk=failure is None)
        if failure is not None:
            self._fail(waiting, failure)
            self._start()
            return
        self.problem = None
        self._start()  # the next group is on its way before this one's answers are
        _answer(waiting, [seq is not None for seq in group.answers])
        self._on_commit(seconds)

    def _fail(self, waiting: list[_Waiting], failure: Exception) -> None:
        self.problem = f"journal cannot be written: {failure}"
        if self._retry_timer is None:
            self._retry_timer = self._loop.call_later(_RETRY_SECONDS, self._try_again)
        log.error("journal_write_failed", exc_info=failure, extra={"deliveries": len(waiting)})
        _answer(waiting, [None] * len(waiting))

    def _try_again(self) -> None:
        self._retry_timer = None
        if self.problem is None:
            return
        if self._is_busy:
            self._retry_timer = self._loop.call_later(_RETRY_SECONDS, self._try_again)
            return
        try:
            self._is_on_its_way([], self._journal.mark())
        except Exception as error:
            self._fail([], error)

    def _prune_when_idle(self) -> None:
        delay = 0.05
        if not self._is_busy:
            delay = _PRUNE_SECONDS
            pruning = threading.Thread(target=self._prune, name="journal-prune", daemon=True)
            with suppress(RuntimeError):  # no thread to be had now
                pruning.start()
                self._is_busy = True
        self._prune_timer = self._loop.call_later(delay, self._prune_when_idle)

    def _prune(self) -> None:
        try:
            self._journal.prune()
        except Exception:
            log.exception("journal_prune_failed")
        self._loop.call_soon_threadsafe(self._pruned)

    def _pruned(self) -> None:
        self._is_busy = False
        self._start()


def _answer(waiting: list[_Waiting], stored: Sequence[bool | None]) -> None:
    for item, is_new in zip(waiting, stored, strict=True):
        try:
            item.stored(is_new)
        except Exception:  # one broken connection must not keep the others from their answers
            log.exception("webhook_answer_failed")
