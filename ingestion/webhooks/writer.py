"""Group commit: everything that waits is brought to disk by one write, then what came meanwhile by the next.

The event loop prepares a group. While the disk answers faster than threads change places, the loop brings the group
to disk itself; else a thread of its own waits for the disk, and does nothing else, and the loop goes on meanwhile.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from ingestion.webhooks.journal import Delivery, Group, Journal

_MAX_GROUP = 256
_MAX_GROUP_BYTES = 4 * 1024 * 1024
_PRUNE_SECONDS = 30.0
_SWITCH_SECONDS = 0.0005  # what handing a group to the thread and back costs
_FAILED_SECONDS = 10.0
_WEIGHT = 0.05  # of the last commit in the usual one's seconds
log = logging.getLogger(__name__)


Stored = Callable[[bool | None], None]


class _Waiting(NamedTuple):
    delivery: Delivery
    stored: Stored


class GroupWriter:
    """Owns `journal` from its making until `stop`; all methods belong to the event loop."""

    def __init__(self, journal: Journal, on_commit: Callable[[float], None] = lambda seconds: None) -> None:
        self._journal = journal
        self._on_commit = on_commit
        self._waiting: deque[_Waiting] = deque()
        self.waiting_bytes = 0
        self._is_busy = False
        self._usual_seconds = 0.0
        self._group: tuple[list[_Waiting], Group] | None = None
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        self._prune_timer = self._loop.call_later(_PRUNE_SECONDS, self._prune_when_idle)
        self._failure: tuple[float, str] | None = None

    @property
    def problem(self) -> str | None:
        """Why the last write failed, for some seconds: whoever sends deliveries elsewhere then tries here again."""
        if self._failure is None or self._loop.time() - self._failure[0] > _FAILED_SECONDS:
            return None
        return f"journal cannot be written: {self._failure[1]}"

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        """Calls `stored` once: True for stored now, False for a repeat of what is stored, None for not on disk."""
        if not self._waiting and not self._is_busy:
            self._loop.call_soon(self._start)  # after the other requests of this turn have joined
        self._waiting.append(_Waiting(delivery, stored))
        self.waiting_bytes += len(delivery.body)

    async def stop(self) -> None:
        """Bring to disk what waits, then end the thread and close the journal."""
        self._prune_timer.cancel()
        while self._waiting or self._is_busy:
            self._idle.clear()
            await self._idle.wait()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._journal.close()

    def _start(self) -> None:
        if self._is_busy:
            return
        while self._waiting:
            waiting = self._take()
            group = self._journal.stage([item.delivery for item in waiting])
            if group.frame is not None:
                self._group = waiting, group
                self._is_busy = True
                job = partial(self._journal.commit, group)
                if self._usual_seconds < _SWITCH_SECONDS:
                    self._finished(*_timed(job))
                else:
                    self._jobs.put(job)
                return
            _answer(waiting, [False] * len(waiting))
        self._idle.set()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and len(taken) < _MAX_GROUP and size < _MAX_GROUP_BYTES:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].delivery.body)
        self.waiting_bytes -= size
        return taken

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._loop.call_soon_threadsafe(self._finished, *_timed(job))

    def _finished(self, failure: Exception | None, seconds: float) -> None:
        self._is_busy = False
        if self._group is None:
            if failure is not None:
                log.error("journal_prune_failed", exc_info=failure)
            self._start()
            return
        waiting, group = self._group
        self._group = None
        self._usual_seconds += (seconds - self._usual_seconds) * _WEIGHT
        self._failure = None if failure is None else (self._loop.time(), str(failure))
        if failure is None:
            self._journal.settle(group)
            self._start()  # the next group is on its way before this one's answers are
            _answer(waiting, [seq is not None for seq in group.answers])
            self._on_commit(seconds)
            return
        log.error("journal_write_failed", exc_info=failure, extra={"deliveries": len(waiting)})
        _answer(waiting, [None] * len(waiting))
        self._start()

    def _prune_when_idle(self) -> None:
        delay = 0.05 if self._is_busy else _PRUNE_SECONDS
        if not self._is_busy:
            self._is_busy = True
            self._jobs.put(self._journal.prune)
        self._prune_timer = self._loop.call_later(delay, self._prune_when_idle)


def _timed(job: Callable[[], None]) -> tuple[Exception | None, float]:
    """What it failed with, whatever it is, and its seconds."""
    started = time.perf_counter()
    try:
        job()
    except Exception as error:
        return error, time.perf_counter() - started
    return None, time.perf_counter() - started


def _answer(waiting: list[_Waiting], stored: Sequence[bool | None]) -> None:
    for item, is_new in zip(waiting, stored, strict=True):
        try:
            item.stored(is_new)
        except Exception:  # one broken connection must not keep the others from their answers
            log.exception("webhook_answer_failed")
