"""The journals a sink drains: one process per journal, held by a lock that ends with the process."""

import fcntl
import logging
import os
import sqlite3
from pathlib import Path
from typing import TextIO

from ingestion.errors import PermanentError, RetryableError
from ingestion.webhooks.journal import Entry, Journal, journals_in, unusable

log = logging.getLogger(__name__)


class JournalsBusyError(RetryableError):
    """Every journal is being drained by another process."""


class HeldJournal:
    """One open journal under this process's lock; `position` is the last seq that this process has dealt with."""

    def __init__(self, path: Path, lock: TextIO) -> None:
        self.path = path
        self._lock = lock
        self._journal = Journal.open(path)
        self._eraser = Journal.open(path)  # the thread that commits also deletes; a connection belongs to one thread
        self._file = _identity(path)
        self.id = self._journal.id
        self.position = 0

    def is_replaced(self) -> bool:
        """Whether the file at the path is no longer the one that was opened."""
        return _identity(self.path) != self._file

    def read(self, max_rows: int, max_bytes: int) -> list[Entry]:
        """The entries after `position`; moves nothing."""
        return self._journal.read(self.position, max_rows, max_bytes)

    def depth(self) -> int:
        return self._journal.depth()

    def forget(self, through: int) -> None:
        """Tell the journal that entries up to `through` are in the lake; may run beside `read`."""
        self._eraser.delete_through(through)

    def close(self) -> None:
        """Close the journal and give the lock back."""
        self._journal.close()
        self._eraser.close()
        self._lock.close()


class HeldJournals:
    """All journals of a folder that this process could lock; `refresh` finds new, replaced and freed ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[Path, HeldJournal] = {}
        self.busy: dict[Path, str] = {}
        self.unreadable: dict[Path, str] = {}

    def refresh(self) -> list[HeldJournal]:
        """The journals to drain now; raises JournalsBusyError if there are some and all belong to other sinks.

        A file that is no journal is logged once and left alone, so that it does not stop the others.
        """
        paths = set(journals_in(self._folder))
        for path, held in list(self._held.items()):
            if path not in paths or held.is_replaced():
                held.close()
                del self._held[path]
        self.busy.clear()
        for path in sorted(paths - self._held.keys()):
            self._take(path)
        if self.busy and not self._held:
            names = ", ".join(f"{path.name} (process {holder})" for path, holder in self.busy.items())
            raise JournalsBusyError(f"another sink drains {names} in {self._folder}; stop it, or let it do the work")
        return list(self._held.values())

    def depth(self) -> int:
        """How many entries wait in the journals held."""
        return sum(held.depth() for held in self._held.values())

    def restart(self) -> None:
        """Read every journal from its start again: after a failed commit only the marks in the lake count."""
        for held in self._held.values():
            held.position = 0

    def close(self) -> None:
        """Give all locks back."""
        for held in self._held.values():
            held.close()
        self._held.clear()

    def _take(self, path: Path) -> None:
        lock = path.with_name(f"{path.name}.sink").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            self.busy[path] = lock.read().strip() or "unknown"
            lock.close()
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            self._held[path] = HeldJournal(path, lock)
        except (sqlite3.DatabaseError, PermanentError) as error:
            lock.close()
            if path not in self.unreadable:
                log.exception("journal_unreadable", extra={"journal": str(path)})
            reason = f"{path}: {error}" if isinstance(error, PermanentError) else str(unusable(path, error))
            self.unreadable[path] = reason
        else:
            self.unreadable.pop(path, None)


def _identity(path: Path) -> tuple[int, ...] | None:
    """Tells a journal from another one that was made later at the same place."""
    try:
        parts = [path.stat(), path.with_suffix(".segments").stat()]
    except FileNotFoundError:
        return None
    return tuple(number for part in parts for number in (part.st_dev, part.st_ino))
