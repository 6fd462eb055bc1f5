"""A process that starts sinks and kills them: `python -m tests.integration.lake.killing MODE ARGUMENTS...`.

Everything is imported once and each sink is a fork, so that a round costs what the sink does and not its start.
"""

import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ingestion.lake.append import Commit
from ingestion.lake.batch import Batch
from ingestion.lake.embedded import EmbeddedCatalog
from ingestion.lake.journals import HeldJournal
from ingestion.lake.loop import run_sink
from ingestion.lake.sink import Flush, Limits, Sink
from ingestion.settings import Settings


def kill_at_random(rounds: int, seed: int) -> None:
    """Kill `rounds` sinks that work on the journals of FRAZIL_HOME: each a random moment after it was started, was
    ready, or had flushed a few times, so that a slow machine kills at the same places as a fast one."""
    chance = random.Random(seed)
    for _ in range(rounds):
        read_end, write_end = os.pipe()
        limits = Limits(events=chance.choice([5, 40, 400]))
        child = _forked(partial(_work, limits, write_end))
        os.close(write_end)
        for _ in range(chance.choice([0, 1, 2, 2, 3, 4, 6])):
            if select.select([read_end], [], [], 20)[0]:
                os.read(read_end, 1)
        time.sleep(chance.uniform(0, 0.1))
        _kill(child)
        os.close(read_end)


def kill_at(point: str) -> None:
    """Let one sink run until it reaches `point` and dies there."""
    child = _forked(lambda: _doomed(point))
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"the sink never came to {point}")


def _work(limits: Limits, progress: int) -> None:
    """A sink that writes one byte when it is ready and one after each flush."""

    def tell(_: Flush | None) -> None:
        os.write(progress, b".")

    sink = Sink(Settings(), limits)
    tell(None)
    run_sink(sink, threading.Event(), flush_seconds=0.01, report=tell)


def _doomed(point: str) -> None:
    commit, write, forget = Sink.commit, EmbeddedCatalog._write_metadata, HeldJournal.forget
    tables: list[str] = []

    def dying_commit(self: Sink, table: str, batch: Batch[Any], *, is_fenced: bool = False) -> Commit:
        tables.append(table)
        if point == "before the second table" and len(tables) == 2:
            _die()
        done = commit(self, table, batch, is_fenced=is_fenced)
        if point == "after the first table":
            _die()
        return done

    def dying_write(*words: Any, **named: Any) -> None:
        write(*words, **named)
        if point == "before the catalog knows" and tables:
            _die()

    def dying_forget(self: HeldJournal, through: int) -> None:
        if point == "before the journal is cleared":
            _die()
        forget(self, through)
        if point == "after one journal is cleared":
            _die()

    Sink.commit = dying_commit  # type: ignore[method-assign]
    EmbeddedCatalog._write_metadata = staticmethod(dying_write)  # type: ignore[method-assign]
    HeldJournal.forget = dying_forget  # type: ignore[method-assign]
    list(Sink(Settings()).flushes())


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return child


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "random":
        kill_at_random(int(sys.argv[2]), int(sys.argv[3]))
    else:
        kill_at(sys.argv[2])
