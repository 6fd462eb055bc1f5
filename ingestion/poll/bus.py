"""Where polled rows go on their way to raw: a journal of each table, or a Kafka topic of each."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ingestion.errors import RetryableError
from ingestion.webhooks.journal import Delivery, Journal

_AT_ONCE = 10_000
_KEEP_HOURS = 1  # ids of polled rows are never given twice: they need not be known for long


class Bus(Protocol):
    """One table's way to raw, with one writer. What `send` returned for cannot be lost."""

    def waiting(self) -> Iterator[Delivery]:
        """What is not known to be in the lake, oldest first; some of it may be. Keeps any other writer out."""
        ...

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """All or, after an error, any part of them. Raises RetryableError, or PermanentError when another writer has
        taken over."""
        ...

    def depth(self) -> int:
        """How many wait for the sink; 0 where nothing must wait for it."""
        ...

    def close(self) -> None: ...


MakeBus = Callable[[str, str], Bus]
"""Of a raw table's name and a topic."""


class JournalBus:
    """A journal of the table's own, which `frazil sink run` drains."""

    def __init__(self, folder: Path, raw_name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"poll-{raw_name.removeprefix('raw.')}.db"
        self._journal = Journal.open(self._path, _KEEP_HOURS)

    def waiting(self) -> Iterator[Delivery]:
        """See Bus.waiting. Raises RetryableError while another process polls this table."""
        self._journal.claim()
        self._journal.prune()
        with Journal.open(self._path, _KEEP_HOURS) as reading:
            after = 0
            while entries := reading.read(after, _AT_ONCE, 1 << 24):
                after = entries[-1].seq
                yield from (entry.delivery for entry in entries)

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """See Bus.send."""
        try:
            self._journal.append(list(deliveries))
            self._journal.prune()
        except OSError as error:
            raise RetryableError(f"{self._path}: the journal cannot be written ({error.strerror})") from error

    def depth(self) -> int:
        """See Bus.depth."""
        return self._journal.depth()

    def close(self) -> None:
        self._journal.close()
