"""A process that starts sinks and kills them: `python -m tests.integration.lake.killing MODE ARGUMENTS...`.

Everything is imported once and each sink is a fork, so that a round costs what the sink does and not its start.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ingestion.lake.batch import Batch
from ingestion.lake.embedded import EmbeddedCatalog
from ingestion.lake.journals import HeldJournal
from ingestion.lake.loop import run_sink
from ingestion.lake.sink import Limits, Sink
from ingestion.settings import Settings


def kill_at_random(rounds: int, seed: int) -> None:
    """Let a sink work on the journals of FRAZIL_HOME for a random moment, `rounds` times."""
    chance = random.Random(seed)
    for _ in range(rounds):
        child = _forked(lambda: _work(Limits(events=chance.choice([5, 40, 400]))))
        time.sleep(chance.uniform(0.02, 0.4))
        _kill(child)


def kill_at(point: str) -> None:
    """Let one sink run until it reaches `point` and dies there."""
    child = _forked(lambda: _doomed(point))
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"the sink never came to {point}")


def _work(limits: Limits) -> None:
    run_sink(Sink(Settings(), limits), threading.Event(), flush_seconds=0.01)


def _doomed(point: str) -> None:
    commit, write, forget = Sink.commit, EmbeddedCatalog._write_metadata, HeldJournal.forget
    tables: list[str] = []

    def dying_commit(self: Sink, table: str, batch: Batch) -> Any:
        tables.append(table)
        if point == "before the second table" and len(tables) == 2:
            _die()
        done = commit(self, table, batch)
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
