"""Journals that another sink drains: what waited in them at the first look, and whether it is in raw by now."""

from collections.abc import Mapping
from pathlib import Path

from ingestion.webhooks.journal import Journal


class Elsewhere:
    """Remembers how far each journal was written when it was first seen; what comes later is not waited for."""

    def __init__(self) -> None:
        self._written: dict[Path, int] = {}

    def waiting(self, busy: Mapping[Path, str]) -> int:
        """How many deliveries of that time the holders of these journals have not brought into raw yet.

        A holder notes that a delivery is in raw after every table concerned has committed.
        """
        total = 0
        for path in busy:
            with Journal.open(path) as journal:
                written = self._written.setdefault(path, journal.last_seq())
                total += max(0, written - journal.consumed())
        return total
