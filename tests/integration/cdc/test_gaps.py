"""Messages that Kafka has no longer, and tables that must not go on: what is lost is told, and never passed over."""

import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message
from pyiceberg.catalog import Catalog

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.cdc.flush import Pile
from ingestion.cdc.offsets import Offset
from ingestion.cdc.sink import Limits, Sink
from ingestion.cdc.taking import Holdings
from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.topics import Topic, at_work, event, until


@pytest.fixture
def items(bus: TestBus, postgres: TestPostgres, catalog: Catalog) -> Topic:
    return Topic(bus, postgres, catalog)


def load(items: Topic, settings: Settings) -> None:
    with Board() as board:
        [outcome] = Load(settings, items.source, Options(is_resumed=False)).run(board)
    assert outcome.status == "loaded"


class Refusing:
    """A consumer that gives one error behind its first messages, as a broker would that refuses something else."""

    def __init__(self, consumer: Any) -> None:
        self._consumer, self.has_refused = consumer, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, most: int, timeout: float) -> list[Message]:
        found: list[Message] = self._consumer.consume(most, timeout=timeout)
        if self.has_refused or not any(one.error() is None for one in found):
            return found
        self.has_refused = True
        refusal = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
        return [*found, Message(topic="another", partition=0, offset=0, error=refusal)]


def test_an_error_takes_no_message_with_it_that_came_beside_it(items: Topic) -> None:
    items.put(range(20))
    sink = items.sink(Limits(seconds=0.2))
    refusing: Any = Refusing(sink.stream._consumer)
    sink.stream._consumer = refusing

    with at_work(sink):
        until(lambda: refusing.has_refused and sink.totals.messages >= 20, "every message should be read")

    assert items.ids() == list(range(20))


def test_a_restored_source_s_changes_are_not_taken_for_those_its_old_copy_saw(
    items: Topic, settings: Settings, postgres: TestPostgres
) -> None:
    """Its log and its transactions' numbers begin low again; the copy was taken high."""
    with postgres.connect(items.source.database) as connection:
        connection.execute(b"insert into items values (1, 'old')")
    load(items, settings)
    items.put([2])
    now = int(time.time() * 1000) + 1000
    items.put_bytes([event(number, items.source.name, now) for number in (3, 4)])

    done = items.drain()

    assert (done.seen, done.rows) == (1, 2)
    assert items.ids() == [1, 3, 4]


def test_a_stopped_table_stays_stopped_when_its_partition_comes_back(items: Topic, postgres: TestPostgres) -> None:
    items.source = items.source.model_copy(update={"contract": "freeze"})
    strange = event(2, items.source.name).replace(b'"note":', b'"extra": 1, "note":')
    items.put([1])
    items.drain()
    sink = items.sink(Limits(seconds=0.1, columns_seconds=0.1))
    with at_work(sink):
        with postgres.connect(items.source.database) as connection:
            connection.execute(b"alter table items add column extra int")
        items.put_bytes([strange])
        until(lambda: sink.stopped, "the contract should stop the table")
        with postgres.connect(items.source.database) as connection:
            connection.execute(b"alter table items drop column extra")
        time.sleep(6)  # a look at the source's columns is due every 5 s
        before = sink._held.partitions.get((items.name, 0))
        other = items.sink(Limits(seconds=0.1))  # it joins the group from here on, at work or not
        with at_work(other):
            until(lambda: other.stream.is_assigned, "the other should join")
        until(lambda: sink._held.partitions.get((items.name, 0)) not in (None, before), "it should come back")
        items.put([3])
        time.sleep(2)
        until(lambda: (items.name, 0) in sink._held.partitions, "it should be this sink's")

        assert sink._held.partitions[items.name, 0].is_stopped
        assert 3 not in items.ids() or 2 in items.ids(), "a mark must not move over what was refused"


def test_a_gap_is_accepted_before_anything_is_read_behind_it(items: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    items.put(range(10))
    items.drain()
    items.make_anew()
    items.put(range(100, 120))
    commit, tries = Pile.commit, []

    def failing_once(pile: Pile, run_id: str) -> Any:
        tries.append(pile)
        if len(tries) == 1:
            raise RetryableError("the lake is away")
        return commit(pile, run_id)

    monkeypatch.setattr(Pile, "commit", failing_once)
    with at_work(items.sink(Limits(seconds=0.2), accepts_gaps=True)):
        until(lambda: len(items.ids()) >= 30 or len(tries) > 5, "all should come")

    assert items.ids() == [*range(10), *range(100, 120)]


def test_what_was_deleted_before_the_first_read_is_told(items: Topic) -> None:
    items.put(range(10))
    items.forget(4)

    with pytest.raises(PermanentError, match=r"first 4 messages deleted before raw had read any.*frazil bulk load"):
        items.drain()
    items.drain(accepts_gaps=True)

    assert items.ids() == list(range(4, 10))
    assert items.drain().messages == 0


def test_what_a_copy_has_seen_may_be_deleted_before_the_first_read(items: Topic, settings: Settings) -> None:
    items.put(range(10))
    items.forget(4)
    load(items, settings)
    now = int(time.time() * 1000) + 1000
    items.put_bytes([event(20, items.source.name, now)])

    done = items.drain()

    assert (done.seen, done.rows) == (6, 1)
    assert items.ids() == [20]


def test_a_newer_copy_proves_what_an_older_one_has_not_seen(items: Topic, settings: Settings) -> None:
    load(items, settings)
    now = int(time.time() * 1000) + 1000
    items.put_bytes([event(number, items.source.name, now) for number in range(10)])
    items.forget(4)
    with pytest.raises(PermanentError, match="first 4 messages deleted"):
        items.drain()
    time.sleep(max(0.0, now / 1000 + 1 - time.time()))
    load(items, settings)

    items.drain()

    assert items.drain().messages == 0


def test_a_quiet_table_goes_on_when_kafka_has_deleted_all_of_it(items: Topic) -> None:
    """Its last message is before its mark, but the end of the transaction behind it is not."""
    items.put(range(10), is_transaction=True)
    items.drain()
    items.forget(11)
    items.put([10], is_transaction=True)

    items.drain()

    assert items.ids() == list(range(11))


def test_marks_alone_are_committed_after_a_while(items: Topic) -> None:
    items.put(range(10), is_transaction=True)

    with at_work(items.sink(Limits(seconds=0.1, marks_seconds=1.0))):
        until(
            lambda: items.catalog.table_exists(f"raw.{items.source.name}_items") and items.mark() == 11,
            "the end of the transaction should count as read",
        )


def test_a_copy_older_than_what_is_left_proves_nothing(items: Topic, settings: Settings) -> None:
    load(items, settings)
    now = int(time.time() * 1000) + 1000
    items.put_bytes([event(number, items.source.name, now) for number in range(10)])
    items.forget(4)

    with pytest.raises(PermanentError, match="first 4 messages deleted"):
        items.drain()

    assert items.ids() == []


def test_a_topic_of_which_nothing_is_left_is_told_once(items: Topic, settings: Settings) -> None:
    load(items, settings)
    items.put(range(10))
    items.forget(10)

    with pytest.raises(PermanentError, match="first 10 messages deleted"):
        items.drain()
    items.drain(accepts_gaps=True)

    assert items.drain().messages == 0


def test_messages_deleted_under_a_running_sink_stop_their_table_alone(items: Topic) -> None:
    items.put(range(10))
    sink = items.sink(Limits(seconds=0.1))
    with at_work(sink):
        until(lambda: sink.totals.rows == 10, "it should be at work")
        sink.stream.lost.add((items.name, 0))  # as when Kafka says that the place is out of range
        items.put(range(10, 12))
        until(lambda: sink.totals.rows == 12, "nothing is lost, so it should go on")
        assert not sink.stopped
        sink.stream.pause([(items.name, 0)])
        time.sleep(1)  # a fetch under way has ended
        items.put(range(12, 20))
        items.forget(16)
        sink.stream.lost.add((items.name, 0))
        until(lambda: sink.stopped, "the gap should be told")

    assert items.ids() == list(range(12))


def test_a_lake_that_is_away_while_partitions_are_given_is_waited_for(
    items: Topic, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the group would wait for the answer."""
    items.put(range(10))
    mark, back_at = Holdings.mark, time.monotonic() + 15

    def away(held: Holdings, place: tuple[str, int]) -> Offset | None:
        if time.monotonic() < back_at:
            raise RetryableError("the lake does not answer")
        return mark(held, place)

    monkeypatch.setattr(Holdings, "mark", away)
    sink = Sink(open_catalog(settings), items.source, items.bus.client, items.source.name, Limits(seconds=0.2))
    with at_work(sink):
        until(lambda: sink.totals.rows == 10, "it should go on when the lake is back")

    assert items.ids() == list(range(10))
