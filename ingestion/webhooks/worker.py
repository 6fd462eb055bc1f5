"""One server process's state: its journal and writer, its counters, and whether it may take deliveries now."""

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ingestion.settings import Settings
from ingestion.webhooks import metrics
from ingestion.webhooks.counters import Counters, Key
from ingestion.webhooks.door import Door
from ingestion.webhooks.journal import Journal, unusable
from ingestion.webhooks.limits import Limits, free_bytes
from ingestion.webhooks.sources import SourceConfig
from ingestion.webhooks.writer import GroupWriter

if TYPE_CHECKING:
    from ingestion.webhooks.topics import Bus, TopicWriter

log = logging.getLogger(__name__)
_STARTING = "starting"


class Worker:
    """Number `index` of a server; opens when its event loop starts, and closes when all is answered.

    Claims its journal when it is made: raises RetryableError while another process appends to it, or the disk is full,
    PermanentError for a damaged one, UsageError where no folder can be.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceConfig],
        journal_dir: Path,
        *,
        index: int = 0,
        base_url: str,
        limits: Limits,
        bus: "Bus | None" = None,
    ) -> None:
        self.sources = sources
        self.limits = limits
        self.journal_dir = journal_dir
        self.name = f"worker-{index}"
        self._base_url, self._bus = base_url, bus
        keep = max(source.keep_ids_hours for source in sources.values())
        path = journal_dir / f"{self.name}.db"
        try:
            self._journal = Journal.open(path, keep)
            self._journal.claim()
            self._watched = Journal.open(path, keep)
        except (OSError, sqlite3.DatabaseError) as error:
            raise unusable(path, error) from error
        keys = metrics.keys(sources.values(), self.name, has_bus=bus is not None)
        self.counters = Counters.open(journal_dir / f"{self.name}.counts", keys)
        died = metrics.settle(self.counters, sources.values())
        if died:
            log.warning("unanswered_requests", extra={"worker": self.name, "requests": died})
        self._problem: str | None = _STARTING
        self._door: Door | None = None

    @classmethod
    def of(cls, settings: Settings, sources: Mapping[str, SourceConfig], limits: Limits, index: int = 0) -> Self:
        """The worker that the settings describe."""
        return cls(
            sources,
            settings.journal_dir,
            index=index,
            base_url=settings.public_base_url,
            limits=limits,
            bus=_bus_of(settings),
        )

    async def open(self) -> Door:
        """Start the writer and the watch, once; raises FrazilError where deliveries cannot be written as asked for."""
        if self._door is not None:
            return self._door
        self.writer: GroupWriter | TopicWriter
        journal = GroupWriter(self._journal, lambda seconds: metrics.observe_commit(self.counters, seconds))
        self.writer = journal if self._bus is None else self._topic_writer(self._bus, journal)
        self.watch()
        self._watch_task = asyncio.create_task(self._watch_forever())
        self._door = Door(
            self.sources.values(),
            self._base_url,
            self.limits,
            self.counters,
            self.writer,
            lambda: self._problem is None and self.writer.waiting_bytes < self.limits.waiting_bytes,
        )
        return self._door

    def _topic_writer(self, bus: "Bus", journal: GroupWriter) -> "TopicWriter":
        from ingestion.webhooks.topics import TopicWriter

        def count(path: str) -> None:
            self.counters.add(Key("frazil_bus_deliveries_total", (path,)))

        def show(is_up: bool) -> None:
            self.counters.put(Key("frazil_bus_up", (self.name,)), int(is_up))

        show(is_up=False)
        return TopicWriter(bus, self.sources, journal, count, show)

    async def close(self) -> None:
        """Bring to disk what waits; every answer has been given by then."""
        self._watch_task.cancel()
        await self.writer.stop()
        self._watched.close()

    @property
    def problem(self) -> str | None:
        """Why deliveries are answered 503 now; None while they are taken."""
        return self._problem or self.writer.problem

    def watch(self) -> None:
        """Look at the disk and the queue, and note what was found."""
        free = depth = 0
        problem: str | None
        try:
            free = free_bytes(self.journal_dir)
            depth = max(0, self._journal.last_seq() - self._watched.consumed())
            problem = self._problem_of(free, depth)
        except (OSError, sqlite3.Error) as error:
            problem = f"journal cannot be read: {error}"
        if problem != self._problem and (problem or self._problem != _STARTING):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "journal_state", extra={"worker": self.name, "problem": problem})
        self._problem = problem
        self.counters.put(Key("frazil_journal_deliveries", (self.name,)), depth)
        self.counters.put(Key("frazil_journal_free_bytes", (self.name,)), free)
        self.counters.put(Key("frazil_journal_ready", (self.name,)), int(self.problem is None))
        metrics.live(self.counters, self.name)

    def _problem_of(self, free: int, depth: int) -> str | None:
        if self._journal.is_removed():
            return f"{self._journal.folder}: the file that is written to was removed; start the server again"
        if free < self.limits.disk_floor_bytes:
            return f"{free} bytes free, below the floor of {self.limits.disk_floor_bytes}"
        if depth >= self.limits.queue_ceiling:
            return (
                f"{depth} deliveries wait for the sink, ceiling {self.limits.queue_ceiling}; is `frazil sink run` up?"
            )
        return None

    async def _watch_forever(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.watch()


def _bus_of(settings: Settings) -> "Bus | None":
    """Raises UsageError for a cluster that is not configured."""
    if settings.bus != "kafka":
        return None
    from ingestion.cdc.clusters import cluster
    from ingestion.webhooks.topics import Bus

    return Bus(cluster(settings.config_dir, settings.bus_cluster), settings.bus_partitions)
