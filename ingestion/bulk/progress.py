"""How far the tables of a load are: a bar per table on a terminal, a JSON line per table and two seconds elsewhere."""

import json
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ingestion.terminal import visible

_LINE_EVERY = 2.0


@dataclass
class _Table:
    total: int
    started: float
    said: float
    bar: TaskID | None
    rows: int = 0


class Board:
    """Told of rows by any thread; writes to standard error, so that standard output stays the result."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._tables: dict[str, _Table] = {}
        self._lock = threading.Lock()
        self._bars: Progress | None = None

    def __enter__(self) -> "Board":
        if self._stream.isatty():
            columns = (TextColumn("{task.description:32}", markup=False), BarColumn(), MofNCompleteColumn())
            rate = TextColumn("{task.fields[rate]:,.0f} rows/s")
            console = Console(file=self._stream)
            self._bars = Progress(*columns, rate, TimeRemainingColumn(), console=console, transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def begin(self, table: str, total: int) -> None:
        """A table is about to be read; `total` is the source's estimate of its rows."""
        now = time.monotonic()
        bar = self._bars.add_task(visible(table), total=total, rate=0.0) if self._bars else None
        with self._lock:
            self._tables[table] = _Table(total, now, now, bar)

    def advance(self, table: str, rows: int) -> None:
        """So many rows more (or fewer, when they must be read again)."""
        now = time.monotonic()
        with self._lock:
            found = self._tables[table]
            found.rows += rows
            found.total = max(found.total, found.rows)
            if self._bars and found.bar is not None:
                rate = found.rows / max(now - found.started, 0.001)
                self._bars.update(found.bar, completed=found.rows, total=found.total, rate=rate)
            elif now - found.said >= _LINE_EVERY:
                found.said = now
                self._say(table, found, now)

    def end(self, table: str) -> None:
        """The table is finished, well or not."""
        with self._lock:
            found = self._tables.pop(table)
            found.total = found.rows
            if self._bars and found.bar is not None:
                self._bars.remove_task(found.bar)
            else:
                self._say(table, found, time.monotonic())

    def _say(self, table: str, found: _Table, now: float) -> None:
        rate = found.rows / max(now - found.started, 0.001)
        line = {
            "event": "load",
            "table": table,
            "rows": found.rows,
            "total": found.total,
            "rows_per_second": round(rate),
            "seconds_left": round((found.total - found.rows) / rate, 1) if rate else None,
        }
        print(json.dumps(line), file=self._stream, flush=True)
