"""The partitions that a sink has, and what it has read of them since the lake's marks."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

from confluent_kafka import Message
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc import metrics
from ingestion.cdc.envelope import Envelope, decoded
from ingestion.cdc.flush import Pile
from ingestion.cdc.followed import Followed, Tables
from ingestion.cdc.gaps import Ends, Gap, GapError, Place, gap, pause_after
from ingestion.cdc.intake import Intake, Letters, Partition, Rejected, Taken
from ingestion.cdc.kafka import Stream
from ingestion.cdc.offsets import Copies, Offset, encoded_offset, key_of, stored_offset
from ingestion.cdc.positions import ranking
from ingestion.cdc.rejects import Quarantine
from ingestion.cdc.rows import Change, shapes
from ingestion.cdc.truncations import list_truncations
from ingestion.errors import ContractError, FrazilError, RetryableError
from ingestion.lake.append import AppendTable, MarkMovedError, Marks
from ingestion.reasons import UNKNOWN_TABLE, UNREADABLE

log = logging.getLogger(__name__)
_LOOKED_AT = 100  # messages among which there is a change, or nothing is proven


class Holdings:
    """Piles of rows by raw table, and the partitions they are from. A table that is stopped takes nothing more."""

    def __init__(
        self, catalog: Catalog, source: DatabaseSource, tables: Tables, quarantine: Quarantine, *, accepts_gaps: bool
    ) -> None:
        self.partitions: dict[Place, Partition] = {}
        self.piles: dict[str, Pile] = {}
        self.stopped: dict[str, FrazilError] = {}
        self.stream: Stream
        self._catalog, self._source, self._tables, self._quarantine = catalog, source, tables, quarantine
        self._accepts_gaps = accepts_gaps
        self.trouble: RetryableError | None = None
        self._again_at = 0.0

    @property
    def held(self) -> int:
        """Messages that wait for their commit."""
        return sum(pile.counts.messages for pile in self.piles.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of these messages."""
        return sum(pile.counts.bytes for pile in self.piles.values())

    def take(self, messages: Sequence[Message]) -> None:
        """Messages as the consumer gave them. What must be read again is; a table that cannot go on is stopped."""
        letters = _by_place(messages)
        turns = {place: partition.turns for place, partition in self.partitions.items()}
        self._tables.make({topic for topic, _ in letters})
        for place, found in letters.items():
            partition = self.partitions.get(place)
            if partition is None or partition.turns != turns.get(place):
                continue
            if partition.is_stopped or partition.is_lost or partition.is_adrift:
                continue
            fresh = found.since(partition.next)
            if fresh:
                self._take_part(partition, fresh)

    def reach_ends(self) -> None:
        """Behind the last message of a partition are ends of transactions, which no consumer is given. They count as
        read: when Kafka has deleted what is before them, a mark below them would look like a loss."""
        for place, end in self.stream.ended.items():
            partition, names = self.partitions.get(place), self._tables.named(place[0])
            if partition is None or names is None or end <= partition.offset.next:
                continue
            if partition.is_stopped or partition.is_lost or partition.is_adrift or partition.is_unproven:
                continue
            partition.end = end
            with suppress(FrazilError, SQLAlchemyError, OSError):  # then it goes with the next change
                followed = self._tables.get(*names) if self._has_table(place) else None
                if followed is not None:
                    followed.look(self._source.dialect)
                    pile = self.piles.setdefault(followed.name, Pile(followed, followed.copies))
                    pile.add(partition, partition.begun or partition.stored, Taken())

    def begun(self, name: str) -> None:
        """The commit of a table's pile is under way: what is read now is for the next."""
        for place, offset in self.piles.pop(name).after.items():
            partition = self.partitions.get(place)
            if partition is not None:
                partition.begun = offset

    def settle(self) -> None:
        """Bring partitions that are new or were given up to their place, if lake, broker and consumer let us now.

        `trouble` says why one cannot be brought there yet.
        """
        self._place([one for one in self.partitions.values() if one.is_lost])
        for partition in self.partitions.values():
            if partition.is_adrift and not partition.is_stopped:
                partition.is_adrift = not self.stream.seek(partition.place, partition.next)

    @property
    def is_settled(self) -> bool:
        """Whether every partition that goes on is at its place."""
        return not any(one.is_lost or one.is_adrift for one in self.partitions.values() if not one.is_stopped)

    def give_up(self, places: Sequence[Place]) -> None:
        """Forget what was read of these partitions since the lake's marks, and read it again from there.

        A pile is given up whole: its other partitions are read again, too.
        """
        again = set(places)
        for place in places:
            pile = self.piles.pop(self._tables.raw_name(place[0]) or "", None)
            again |= set(pile.after) if pile else set()
        for place in again:
            partition = self.partitions.get(place)
            if partition is not None:
                partition.turns += 1
                partition.is_lost = True
                self.stream.ended.pop(place, None)

    def stop(self, name: str, error: FrazilError) -> None:
        """This raw table does not go on, whoever gives us its partitions again; the others do."""
        if name not in self.stopped:
            self.stopped[name] = error
            metrics.STOPPED.set(len(self.stopped))
            log.error("table_stopped", extra={"source": self._source.name, "table": name, "reason": str(error)})
        self.piles.pop(name, None)
        mine = [place for place in self.partitions if self._tables.raw_name(place[0]) == name]
        for place in mine:
            self.partitions[place].is_stopped = True
        self.stream.pause(mine)

    def mark(self, place: Place) -> Offset | None:
        """How far the lake has a partition, asked anew."""
        name = self._tables.raw_name(place[0])
        if name is None:
            return None
        try:
            return stored_offset(AppendTable(self._catalog, name).table.properties, *place)
        except NoSuchTableError:
            return self._quarantine.start(place)
        except (SQLAlchemyError, OSError) as error:
            raise RetryableError(f"{name}: the lake does not answer ({' '.join(str(error).split())[:200]})") from error

    def given(self, places: Sequence[Place]) -> None:
        """These partitions are ours now. Those of a table that was stopped stay where they are."""
        for place in places:
            self.partitions[place] = partition = Partition(*place)
            partition.is_stopped = self._tables.raw_name(place[0]) in self.stopped
        self._again_at = 0.0

    def gone(self, places: Sequence[Place]) -> None:
        """These partitions are others' now; what is held of them is theirs to read."""
        for place in places:
            if self.partitions.pop(place, None) is not None:
                self.piles.pop(self._tables.raw_name(place[0]) or "", None)

    def _place(self, lost: Sequence[Partition]) -> None:
        """Where these go on. One that cannot be told is asked last when they are asked again, after a while."""
        if not lost:
            self.trouble = None
        if not lost or time.monotonic() < self._again_at:
            return
        began, asked = time.monotonic(), None
        try:
            self.trouble = None
            answers = self.stream.ends([one.place for one in lost])
            if answers.silent:
                self._troubled(answers.words(self.stream.servers))
            for asked in sorted(lost, key=lambda one: one.tries):
                if asked.is_stopped:
                    self.stream.pause([asked.place])
                    asked.is_lost = False
                elif asked.place in answers.ends:  # else it is silent, or deleted and about to be taken from us
                    self._begin(asked, answers.ends[asked.place])
                    asked.is_lost, asked.is_adrift = False, True
        except (RetryableError, SQLAlchemyError, OSError) as error:
            if asked is not None:
                asked.tries += 1
            self._troubled(str(error))
        if any(one.is_lost for one in lost):
            now = time.monotonic()
            others_wait = len(lost) < len(self.partitions)
            self._again_at = now + pause_after(now - began, others_wait=others_wait)

    def _troubled(self, reason: str) -> None:
        self.trouble = RetryableError(" ".join(reason.split())[:300])
        more = {"source": self._source.name, "reason": str(self.trouble), "next": "asked again"}
        log.warning("places_not_known", extra=more)

    def _begin(self, partition: Partition, ends: Ends) -> None:
        """At its mark, or at the topic's beginning where there is none; what is lost before stops the table."""
        place, stored = partition.place, self.mark(partition.place)
        partition.topic_id, partition.first = ends.topic_id, ends.first
        found = gap(stored.next if stored else None, stored.topic_id if stored else "", ends)
        if found is not None and self._accepts_gaps:
            try:
                stored, found = self._accepted(place, stored, ends), None
            except ContractError as error:
                self.stop(self._tables.raw_name(place[0]) or place[0], error)
                return
        is_empty = ends.first == ends.end
        partition.is_unproven = found is Gap.UNREAD and not (is_empty and self._has_table(place))
        partition.rewind(stored)
        if found is not None and not partition.is_unproven:
            self._stop_at_gap(partition, found, ends)

    def _accepted(self, place: Place, stored: Offset | None, ends: Ends) -> Offset:
        """A mark where the topic begins now, made before anything is read from there."""
        mark, names = Offset(ends.first, ends.topic_id), self._tables.named(place[0])
        followed = self._tables.get(*names) if names else None
        if followed is None:
            self._quarantine.move(place, stored, mark)
            return mark

        def decide(table: Table, files: object) -> Marks:
            if stored_offset(table.properties, *place) != stored:
                raise MarkMovedError(f"{followed.name}: another sink has written {place[0]}/{place[1]}")
            return Marks({key_of(*place): encoded_offset(mark)})

        followed.raw.commit([], decide)
        log.warning("gap_accepted", extra={"topic": place[0], "partition": place[1], "next_offset": mark.next})
        return mark

    def _has_table(self, place: Place) -> bool:
        name = self._tables.raw_name(place[0])
        return name is not None and self._catalog.table_exists(name)

    def _stop_at_gap(self, partition: Partition, found: Gap, ends: Ends | None = None) -> None:
        """The table goes on when people have seen to what is lost."""
        ends = ends or Ends(partition.topic_id, partition.first, partition.next)
        reached = partition.stored.next if partition.stored else None
        words = found.words(self.stream.servers, partition.place, reached, ends)
        names = self._tables.named(partition.topic) or ()
        load = f"`frazil bulk load {self._source.name} --no-resume --tables {'.'.join(names)}`"
        error = GapError(f"{words}; load its table again with {load}, then run the sink once with --accept-gaps")
        self.stop(self._tables.raw_name(partition.topic) or partition.topic, error)

    def _take_part(self, partition: Partition, letters: Letters) -> None:
        turns = partition.turns
        try:
            self._piled(partition, letters)
        except (RetryableError, SQLAlchemyError, OSError) as error:
            more = {"source": self._source.name, "topic": partition.topic, "reason": str(error)}
            log.warning("not_taken", extra={**more, "next": "read again"})
            metrics.FAILURES.labels(self._tables.raw_name(partition.topic) or partition.topic).inc()
            if partition.turns == turns:
                self.give_up([partition.place])
            time.sleep(0.5)
        except ContractError as error:
            self.stop(self._tables.raw_name(partition.topic) or partition.topic, error)

    def _piled(self, partition: Partition, letters: Letters) -> None:
        names = self._tables.named(partition.topic)
        assert names is not None
        followed = self._tables.get(*names)
        if followed is None:
            self._reject_all(partition, letters)
            return
        ranked = followed.look(self._source.dialect)
        copies = followed.copies
        after = Partition(partition.topic, partition.number, partition.topic_id)
        after.last, after.position, after.source_at = partition.last, partition.position, partition.source_at
        if partition.is_unproven and not self._is_proven(partition, letters, copies):
            self._stop_at_gap(partition, Gap.UNREAD)
            return
        partition.is_unproven = False
        changes, taken = Intake(followed, *names).changes(after, letters, ranked)
        followed = self._in_step(names, followed, changes)
        intake = Intake(followed, *names)
        events, rejected = taken.events, list(taken.rejected)
        intake.rows(changes, letters, taken)
        if any(one.reason == UNREADABLE and one.event_id for one in taken.rejected):
            self._tables.look_again()  # a type that is wider now may hold them
            again = self._tables.get(*names)
            if again is not None and again is not followed:
                followed, intake = again, Intake(again, *names)
                taken.events, taken.rejected = events, rejected
                intake.rows(changes, letters, taken)
        self._add(partition, after, followed, copies, taken)

    def _is_proven(self, partition: Partition, letters: Letters, copies: Copies) -> bool:
        """Whether the newest copy has seen the first change that Kafka still has, and so those before it."""
        ranked = ranking(self._source.dialect, copies.views, copies.newest)
        values = [letter.value for letter in letters if letter.value is not None]
        for event in decoded(values[:_LOOKED_AT]):
            if isinstance(event, Envelope):
                try:
                    return ranked.place(event.source, partition.last)[0].is_seen
                except ValueError:
                    continue
        return False

    def _in_step(self, names: tuple[str, str], followed: Followed, changes: Sequence[Change]) -> Followed:
        """The table in the form that its source has now, if these changes show that it has another."""
        found: Followed | None = followed
        strangers = followed.builder.strangers(has := shapes(changes))
        if strangers:
            found = self._tables.ask_for(*names, strangers)
        elif followed.builder.lacks(has):
            self._tables.look_again()
            found = self._tables.get(*names)
        return found or followed

    def _add(self, partition: Partition, after: Partition, followed: Followed, copies: Copies, taken: Taken) -> None:
        pile = self.piles.get(followed.name)
        if pile is not None:
            pile.followed = followed  # its form holds all that the one before held
            if not pile.counts.messages:
                pile.copies = copies
        else:
            pile = self.piles[followed.name] = Pile(followed, copies)
        if taken.rows is not None:
            form = followed.form
            list_truncations(self._catalog, self._source.name, form.raw_name, f"{form.schema}.{form.name}", taken.rows)
        partition.next, partition.last = after.next, after.last
        partition.position, partition.source_at = after.position, after.source_at
        pile.add(partition, partition.begun or partition.stored, taken)

    def _reject_all(self, partition: Partition, letters: Letters) -> None:
        """A topic of a table that the source does not have or does not give."""
        names = self._tables.named(partition.topic)
        detail = f"{self._source.name} has no table {'.'.join(names or ())} that config/sources.yaml lets be read"
        rejected = [Rejected(letter, UNKNOWN_TABLE, detail) for letter in letters if letter.value is not None]
        partition.next = letters[-1].offset + 1
        if rejected:
            raw = self._tables.raw_name(partition.topic) or partition.topic
            place = partition.place
            self._quarantine.add(raw.removeprefix("raw."), {place: rejected}, {place: partition.offset})
            metrics.EVENTS.labels(raw, "rejected").inc(len(rejected))


def _by_place(messages: Sequence[Message]) -> dict[Place, Letters]:
    """Messages by partition, in their order; the consumer gives them in long runs of one."""
    found: dict[Place, list[Message]] = {}
    places: list[Any] = list(zip(map(Message.topic, messages), map(Message.partition, messages), strict=True))
    if len(set(places)) == 1:
        return {places[0]: Letters(messages)}
    for place, run in groupby(zip(places, messages, strict=True), key=itemgetter(0)):
        found.setdefault(place, []).extend(map(itemgetter(1), run))
    return {place: Letters(run) for place, run in found.items()}
