"""Journals that another sink drains: what waited in them at the first look, and whether it is in raw by now."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from ingestion.errors import RetryableError
from ingestion.webhooks.journal import Journal

log = logging.getLogger(__name__)


class Elsewhere:
    """Waits `seconds` for what was journalled when a journal was first seen; what comes later is not waited for."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._written: dict[Path, int] = {}
        self._told = 0

    def is_behind(self, busy: Mapping[Path, str]) -> bool:
        """Whether the holders of these journals (path to process) have still to bring something of that into raw.

        Logs how much when that has changed. Raises RetryableError when the time is over.
        """
        waiting = sum(self._waiting(path) for path in busy)
        if not waiting:
            return False
        holders = ", ".join(f"{path.name} (process {holder})" for path, holder in busy.items())
        if time.monotonic() > self._deadline:
            raise RetryableError(f"{waiting} deliveries still wait for the sink that drains {holders}; see its log")
        if waiting != self._told:
            log.info("waiting_for_another_sink", extra={"deliveries": waiting, "journals": holders})
        self._told = waiting
        return True

    def _waiting(self, path: Path) -> int:
        """A holder notes that a delivery is in raw after every table concerned has committed."""
        with Journal.open(path) as journal:
            written = self._written.setdefault(path, journal.last_seq())
            return max(0, written - journal.consumed())
