"""How far a long task is: a bar with rate and ETA on a terminal, a JSON line every two seconds elsewhere."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINE_EVERY = 2.0
_BAR_EVERY = 0.1


class Meter:
    """Told how many are done; says so on standard error, at most so often that nobody is slowed down."""

    def __init__(self, task: str, total: int | None, stream: TextIO) -> None:
        self._task, self._total, self._stream = task, total, stream
        self._started = time.monotonic()
        self._next = 0.0
        self._done = 0
        self._bar: Progress | None = None
        if stream.isatty():
            columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
            rate = TextColumn("{task.fields[rate]:,.0f}/s")
            self._bar = Progress(*columns, rate, TimeRemainingColumn(), console=Console(file=stream), transient=True)
            self._id = self._bar.add_task(task, total=total, rate=0.0)
            self._bar.start()
        else:
            self._next = _LINE_EVERY

    def at(self, done: int) -> None:
        """`done` of all are done; cheap enough to be called for each one."""
        self._done = done
        elapsed = time.monotonic() - self._started
        if elapsed >= self._next:
            self._next = elapsed + (_BAR_EVERY if self._bar else _LINE_EVERY)
            self._say(elapsed)

    def close(self) -> None:
        """Take the bar away, or print the last line."""
        if self._bar:
            self._bar.stop()
        else:
            self._say(time.monotonic() - self._started)

    def _say(self, elapsed: float) -> None:
        rate = self._done / elapsed if elapsed else 0.0
        if self._bar:
            self._bar.update(self._id, completed=self._done, rate=rate)
            return
        left = (self._total - self._done) / rate if self._total is not None and rate else None
        line = {
            "event": self._task,
            "done": self._done,
            "total": self._total,
            "per_second": round(rate, 1),
            "seconds_left": None if left is None else round(left, 1),
        }
        print(json.dumps(line), file=self._stream, flush=True)


@contextmanager
def progress(task: str, total: int | None = None, stream: TextIO | None = None) -> Iterator[Meter]:
    """A meter for one task; standard error unless told otherwise, so that standard output stays the result."""
    meter = Meter(task, total, sys.stderr if stream is None else stream)
    try:
        yield meter
    finally:
        meter.close()
