"""All polled tables of a source, again and again: what fails is told and tried again, and holds up nothing else."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyiceberg.catalog import Catalog

from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import FrazilError, RetryableError
from ingestion.poll import metrics
from ingestion.poll.bus import MakeBus
from ingestion.poll.poller import Poller
from ingestion.poll.tables import Polled, polled_tables

log = logging.getLogger(__name__)
_COLUMNS_SECONDS = 60.0  # between two looks at the tables' columns
_LONGEST_PAUSE = 60.0


@dataclass
class Totals:
    """What a run did, by raw table: `rows` were new, `repeats` met again, `failures` tried again."""

    polls: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


class Run:
    """One process's polling of a source; for one thread. Close it."""

    def __init__(self, catalog: Catalog, source: DatabaseSource, make_bus: MakeBus, ceiling: int) -> None:
        self.totals = Totals()
        self._catalog, self._source, self._make_bus, self._ceiling = catalog, source, make_bus, ceiling
        self._pollers: dict[str, Poller] = {}
        self._looked_at = float("-inf")

    def once(self) -> Totals:
        """Hand on all that is new now. Raises what a poll raises."""
        self._look()
        for poller in self._pollers.values():
            while self._poll(poller):
                pass
        return self.totals

    def until(self, stop: threading.Event) -> Totals:
        """Poll until told to stop. Raises UsageError where nothing was ever polled because the words are wrong."""
        self._look()
        pause = self._source.poll.seconds
        while not stop.is_set():
            started = time.monotonic()
            failed = self._turn(stop)
            pause = min(pause * 2, max(_LONGEST_PAUSE, self._source.poll.seconds)) if failed else 0.0
            pause = max(pause, self._source.poll.seconds)
            stop.wait(max(0.0, started + pause - time.monotonic()))
        return self.totals

    def close(self) -> None:
        for poller in self._pollers.values():
            poller.close()

    def _turn(self, stop: threading.Event) -> bool:
        """One look at every table, or more where there is more; whether any failed."""
        failed = False
        if time.monotonic() - self._looked_at > _COLUMNS_SECONDS:
            try:
                self._look()
            except Exception as error:  # the columns known are polled on
                failed = self._failed("", error)
        asked = list(self._pollers.values())
        while asked and not stop.is_set():
            more = []
            for poller in asked:
                try:
                    more += [poller] if self._poll(poller) else []
                except Exception as error:  # whatever it is: the other tables go on, and this one is tried again
                    failed = self._failed(poller.raw_name, error)
            asked = more
        return failed

    def _failed(self, table: str, error: Exception) -> bool:
        """Log and count it; the columns are looked at before the next try."""
        self._looked_at = float("-inf")
        self.totals.failures[table] = self.totals.failures.get(table, 0) + 1
        metrics.FAILURES.labels(table).inc()
        facts = {"source": self._source.name, "table": table, "reason": str(error)}
        unknown = None if isinstance(error, FrazilError) else error
        log.warning("poll_failed", extra={**facts, "next": "tried again"}, exc_info=unknown)
        return True

    def _poll(self, poller: Poller) -> bool:
        """One look at one table; whether more is to be had at once."""
        name, totals = poller.raw_name, self.totals
        if poller.depth() >= self._ceiling:
            raise RetryableError(f"{name}: {poller.depth()} rows wait for the sink; is `frazil sink run` up?")
        done = poller.poll()
        totals.polls += 1
        totals.rows[name] = totals.rows.get(name, 0) + done.rows
        totals.repeats[name] = totals.repeats.get(name, 0) + done.repeats
        metrics.SECONDS.labels(name).observe(done.seconds)
        metrics.LAST.labels(name).set(time.time())
        if done.rows:
            facts = {"rows": done.rows, "repeats": done.repeats, "seconds": round(done.seconds, 3)}
            log.info("polled", extra={"source": self._source.name, "table": name, **facts})
        return done.is_full

    def _look(self) -> None:
        """The tables and their columns as they are now."""
        found: Sequence[Polled] = polled_tables(self._source)
        self._looked_at = time.monotonic()
        for polled in found:
            name = polled.table.raw_name
            if name not in self._pollers:
                bus = self._make_bus(name, polled.topic)
                self._pollers[name] = Poller(self._catalog, self._source, polled, bus)
            self._pollers[name].follow(polled)
