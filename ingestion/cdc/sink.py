"""From Kafka to raw: every committed change once, whatever dies when.

What was read is in the raw table together with how far it was read, in one commit per table and flush, and only if the
table still is where this process began. Kafka's own offsets are told to the broker for others; no sink reads them.
"""

import gc
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc import metrics
from ingestion.cdc.flush import CopyBegunError, Pile, moved
from ingestion.cdc.followed import Tables
from ingestion.cdc.gaps import Place
from ingestion.cdc.kafka import MARKS_SECONDS, Stream
from ingestion.cdc.rejects import Quarantine
from ingestion.cdc.taking import Holdings
from ingestion.errors import FrazilError, PermanentError, RetryableError
from ingestion.lake.append import Commit, MarkMovedError

log = logging.getLogger(__name__)
_MARKS_ALONE_AFTER = 10_000  # messages without a row, after which their mark is worth a commit
_READ_AT_ONCE = 10_000
_WRITERS = 4  # commits of different tables at once


@dataclass(frozen=True)
class Limits:
    """A flush comes after so many seconds, or when so many events are held; `columns_seconds`: looks at the source.

    `marks_seconds`: until marks without rows are committed.
    """

    seconds: float = 2.0
    events: int = 50_000
    bytes: int = 128 << 20
    columns_seconds: float = 60.0
    marks_seconds: float = MARKS_SECONDS


@dataclass
class Totals:
    """What a run did. `seen` events are in a copy already; `fenced` batches were another sink's."""

    messages: int = 0
    events: int = 0
    rows: int = 0
    seen: int = 0
    tombstones: int = 0
    rejected: int = 0
    commits: int = 0
    fenced: int = 0
    tables: dict[str, int] = field(default_factory=dict)


class Sink:
    """One process of the group that brings a source's changes to raw; for one thread."""

    def __init__(
        self,
        catalog: Catalog,
        source: DatabaseSource,
        kafka: dict[str, str],
        prefix: str,
        limits: Limits | None = None,
        *,
        accepts_gaps: bool = False,
        group: str | None = None,
    ) -> None:
        self.run_id = str(uuid.uuid4())
        self.totals = Totals()
        self._source, self._limits = source, limits or Limits()
        self._tables = Tables(catalog, source, by_name(source.dialect), prefix, publishes=True)
        self._quarantine = Quarantine(catalog, source.name, self.run_id)
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="commit")
        self._commits: list[tuple[str, Pile, Future[Commit | None]]] = []
        self._held = Holdings(catalog, source, self._tables, self._quarantine, accepts_gaps=accepts_gaps)
        self._flush_at = 0.0
        self._columns_at = time.monotonic()
        pattern = "^" + prefix.replace(".", r"\.") + r"\.[^.]+\..+"
        group = group or f"frazil-{source.name}"
        self.stream = Stream(kafka, group, pattern, self._held.given, self._taken)
        self._held.stream = self.stream

    @property
    def stopped(self) -> dict[str, str]:
        """Raw tables that do not go on, and why."""
        return {name: str(error) for name, error in self._held.stopped.items()}

    def run(self, should_stop: Callable[[], bool], *, once: bool = False, wait_seconds: float = 30.0) -> Totals:
        """Until told to stop; with `once` until all that could be read at one moment is in raw.

        Raises RetryableError when Kafka does not answer at the start, PermanentError for what only people can settle;
        the error of a table that was stopped at the end.
        """
        gc.disable()  # events are many small objects without cycles; what else there is is freed at each flush
        try:
            self._tables.look_again()
            known = self.stream.topics(wait_seconds)
            if once:
                self._once(should_stop, known, wait_seconds)
            while not once and not should_stop():
                try:
                    self._turn()
                except RetryableError as error:
                    log.warning("turn_failed", extra={"source": self._source.name, "reason": str(error)})
                    time.sleep(1.0)
            if not once:
                self._flush(is_last=True)
        finally:
            gc.enable()
        for stopped in self._held.stopped.values():
            raise stopped
        return self.totals

    def close(self) -> None:
        """Leave the group; what was not flushed is read again by whoever comes next."""
        self._held.gone(list(self._held.partitions))
        self.stream.close()
        self._writers.shutdown()

    def lag(self) -> dict[Place, int]:
        """Messages that are not in raw, by partition of this process."""
        found = {}
        for place, partition in self._held.partitions.items():
            stored = partition.stored.next if partition.stored else 0
            is_done = place in self.stream.ended and stored >= partition.next
            found[place] = 0 if is_done else max(self.stream.known_end(place) - stored, 0)
        return found

    def _once(self, should_stop: Callable[[], bool], known: Sequence[str], wait_seconds: float) -> None:
        if not any(self._tables.raw_name(topic) for topic in known):
            raise RetryableError(
                f"{self._source.name}: Kafka at {self.stream.servers} has no topic of it yet; "
                f"run `frazil cdc register {self._source.name}`, and change a row"
            )
        deadline = patience = time.monotonic() + wait_seconds
        while not should_stop():
            self._turn()
            if self._held.trouble is None:
                patience = time.monotonic() + wait_seconds
            elif time.monotonic() > patience:
                raise self._held.trouble
            reading = {place for place, one in self._held.partitions.items() if not one.is_stopped}
            is_there = self.stream.is_assigned and self._held.is_settled
            is_read = is_there and reading <= self.stream.ended.keys() and (reading or self._held.stopped)
            if is_read and self._flush(is_last=True):
                return
            if not self.stream.is_assigned and time.monotonic() > deadline:
                raise RetryableError(f"{self._source.name}: the group gave no partition: another sink has them all")

    def _turn(self) -> None:
        """Read what is there, and flush when it is time."""
        self._flush_at = self._flush_at or time.monotonic() + self._limits.seconds
        left = self._flush_at - time.monotonic()
        self._held.settle()
        messages = self.stream.read(min(_READ_AT_ONCE, self._limits.events), max(min(left, 0.2), 0.01))
        if messages:
            self._held.take(messages)
        self._held.reach_ends()
        if self.stream.lost:
            self._look_where_they_are()
        if self._commits and all(commit.done() for _, _, commit in self._commits):
            self._settle()
        is_full = self._held.held >= self._limits.events or self._held.held_bytes >= self._limits.bytes
        if is_full or time.monotonic() >= self._flush_at:
            self._flush()
            self._flush_at = 0.0
            if time.monotonic() - self._columns_at > self._limits.columns_seconds:
                self._columns_at = time.monotonic()
                self._tables.look_again()

    def _look_where_they_are(self) -> None:
        """Kafka refused to go on with some partitions. What was read of them is written first: it may be the last."""
        self._flush()
        self._settle()
        self._held.give_up(list(self.stream.lost))
        self.stream.lost.clear()

    def _flush(self, *, is_last: bool = False) -> bool:
        """Begin the commits of what is held, one for each table, when those begun before have ended.

        More is read meanwhile; what was read behind a commit that fails is read again with it. With `is_last` all has
        ended; whether nothing of it must be read again.
        """
        turns = sum(partition.turns for partition in self._held.partitions.values())
        self._settle(is_last=is_last)
        for name, pile in list(self._held.piles.items()):
            if self._is_due(pile, is_last=is_last):
                self._commits.append((name, pile, self._commit(name, pile)))
                self._held.begun(name)
        if is_last:
            self._settle(is_last=True)
        if not self._commits:
            self._tell_lag()
        gc.collect(0)
        return turns == sum(partition.turns for partition in self._held.partitions.values())

    def _settle(self, *, is_last: bool = False) -> None:
        """Wait for the commits that were begun. Raises what failed with `is_last`."""
        commits, self._commits = self._commits, []
        wait([commit for _, _, commit in commits])
        failed = [error for one in commits if (error := self._settled(*one)) is not None]
        self._tell_lag()
        if failed and is_last:
            raise failed[0]
        if failed:
            time.sleep(1.0)
        if any(commit.exception() for _, _, commit in commits):
            del commits, failed
            gc.collect()  # an error and the rows that it is about hold each other, and are no young objects any more

    def _tell_lag(self) -> None:
        for place, lag in self.lag().items():
            metrics.LAG.labels(place[0], str(place[1])).set(lag)

    def _is_due(self, pile: Pile, *, is_last: bool) -> bool:
        """Whether a pile is worth a commit; marks alone seldom are, but for long Kafka does not keep what is before."""
        is_old = time.monotonic() - pile.begun_at > self._limits.marks_seconds
        if pile.rows or pile.rejected or is_last or is_old or pile.counts.messages >= _MARKS_ALONE_AFTER:
            return True
        if pile.told != pile.after:
            self.stream.tell(moved(pile.after))
            pile.told = dict(pile.after)
        return False

    def _commit(self, name: str, pile: Pile) -> Future[Commit | None]:
        """The commit of one pile, beside those of others: most of it waits for the disk."""
        try:
            if pile.rejected:
                self._quarantine.add(name.removeprefix("raw."), pile.rejected, pile.after)
        except (FrazilError, OSError, SQLAlchemyError) as error:
            refused: Future[Commit | None] = Future()
            refused.set_exception(error)
            return refused
        return self._writers.submit(pile.commit, self.run_id)

    def _settled(self, name: str, pile: Pile, commit: Future[Commit | None]) -> Exception | None:
        """Take note of a commit's end; the error if it may succeed later, which has been logged."""
        places = list(pile.after)
        try:
            done = commit.result()
        except MarkMovedError as error:
            self.totals.fenced += 1
            metrics.FENCED.labels(name).inc()
            log.warning("fenced", extra={"table": name, "reason": str(error), "next": "read again from the mark"})
            self._held.give_up(places)
        except CopyBegunError as error:
            log.info("ranked_again", extra={"table": name, "reason": str(error)})
            time.sleep(0.05)
            self._held.give_up(places)
        except (RetryableError, OSError, SQLAlchemyError) as error:
            metrics.FAILURES.labels(name).inc()
            log.warning("flush_failed", extra={"table": name, "reason": str(error), "next": "read again"})
            self._held.give_up(places)
            return error
        except PermanentError as error:
            self._held.stop(name, error)
        else:
            self._committed(name, pile, done)
        return None

    def _committed(self, name: str, pile: Pile, done: Commit | None) -> None:
        for place, offset in pile.after.items():
            partition = self._held.partitions.get(place)
            if partition is not None and partition.begun == offset:
                partition.stored, partition.begun = offset, None
        self.stream.tell(moved(pile.after))
        counts, totals, rejected = pile.counts, self.totals, sum(map(len, pile.rejected.values()))
        outcomes = {"row": counts.events, "seen": counts.seen, "tombstone": counts.tombstones, "rejected": rejected}
        for outcome, count in outcomes.items():
            if count:
                metrics.EVENTS.labels(name, outcome).inc(count)
        metrics.COMMITS.labels(name).inc()
        totals.messages += counts.messages
        totals.events += counts.events
        totals.seen += counts.seen
        totals.tombstones += counts.tombstones
        totals.rejected += rejected
        totals.rows += pile.rows
        totals.commits += 1
        totals.tables[name] = totals.tables.get(name, 0) + pile.rows
        if done is None:
            return
        metrics.COMMIT_SECONDS.observe(done.seconds)
        newest = max((offset.source_at for offset in pile.after.values()), default=0)
        if newest and pile.rows:
            metrics.DELAY.labels(name).set(max(datetime.now(UTC).timestamp() - newest / 1_000_000, 0))
        facts = {"rows": pile.rows, "seen": counts.seen, "rejected": rejected, "seconds": round(done.seconds, 3)}
        log.info("flushed", extra={"source": self._source.name, "table": name, "run_id": self.run_id, **facts})

    def _taken(self, places: Sequence[Place], are_lost: bool) -> None:
        """Others get these partitions: what is held is committed first, while they are still ours."""
        try:
            if not are_lost:
                self._flush()
                self._settle()
        finally:
            self._held.gone(places)
