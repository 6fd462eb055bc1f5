"""What goes wrong around a sink: it keeps its place, says one clear line, and nothing is lost or twice."""

import json
import logging
import threading
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Producer, TopicPartition
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import by_name
from ingestion.cdc.handoff import drop_log
from ingestion.cdc.sink import Limits, Sink
from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.replay import Selection, replay
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.sources import source_of
from tests.support.topics import Topic, event


@pytest.fixture
def topic(bus: TestBus, postgres: TestPostgres, catalog: Catalog) -> Callable[..., Topic]:
    return lambda partitions=1: Topic(bus, postgres, catalog, partitions)


def test_two_sinks_by_mistake_bring_every_message_once(topic: Callable[..., Topic]) -> None:
    items = topic(2)
    sinks = [items.sink(Limits(seconds=0.1, events=50), group=f"{items.source.name}-{number}") for number in range(2)]
    stop = threading.Event()
    running = [threading.Thread(target=sink.run, args=(stop.is_set,)) for sink in sinks]
    for thread in running:
        thread.start()

    for first in range(0, 1000, 50):
        items.put(range(first, first + 50), partition=first // 50 % 2)
        time.sleep(0.05)
    deadline = time.monotonic() + 60
    while sum(sink.totals.rows for sink in sinks) < 1000 and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    for thread in running:
        thread.join()
    for sink in sinks:
        sink.close()
    items.drain()

    assert items.ids() == list(range(1000))
    assert sum(sink.totals.fenced for sink in sinks) > 0


def test_processes_share_a_table_s_partitions(topic: Callable[..., Topic]) -> None:
    items = topic(4)
    sinks = [items.sink(Limits(seconds=0.2)) for _ in range(2)]
    stop = threading.Event()
    running = [threading.Thread(target=sink.run, args=(stop.is_set,)) for sink in sinks]
    for thread in running:
        thread.start()

    deadline = time.monotonic() + 60
    sent = 0
    while not all(sink.totals.rows for sink in sinks) and time.monotonic() < deadline:
        for partition in range(4):
            items.put(range(sent, sent + 25), partition)
            sent += 25
        time.sleep(0.5)
    stop.set()
    for thread in running:
        thread.join()
    for sink in sinks:
        sink.close()
    items.drain()

    assert items.ids() == list(range(sent))
    assert all(sink.totals.rows for sink in sinks)


def test_a_poisoned_message_is_kept_once_with_its_place(
    topic: Callable[..., Topic],
) -> None:
    items = topic()
    late = json.loads(event(2, "late"))
    late["after"]["id"] = "not a number"
    items.put([1])
    items.put_bytes([b"\x00 no event", json.dumps(late).encode()])
    items.put([3])

    done = items.drain()
    again = items.drain()

    assert (done.rows, done.rejected, again.messages) == (2, 2, 0)
    assert items.ids() == [1, 3]
    kept = items.catalog.load_table("metadata.quarantine").scan().to_arrow().to_pylist()
    assert {(row["topic"], json.loads(row["headers"])["offset"], row["reason"]) for row in kept} == {
        (items.name, 1, "unreadable"),
        (items.name, 2, "unreadable"),
    }
    assert b"\x00 no event" in {row["body"] for row in kept}


def test_what_a_wider_column_can_hold_is_replayed_into_its_place(
    topic: Callable[..., Topic], settings: Settings, postgres: TestPostgres
) -> None:
    items = topic()
    with postgres.connect(items.source.database) as connection:
        connection.execute(b"alter table items add column small int")
    wide = json.loads(event(2, "wide"))
    wide["after"]["small"] = 2**40
    items.put_bytes([json.dumps(wide).encode()])
    items.put([3])
    assert items.drain().rejected == 1
    with postgres.connect(items.source.database) as connection:
        connection.execute(b"alter table items alter small type bigint")

    chosen, databases = Selection(source=items.source.name), {items.source.name: items.source}
    done = replay(items.catalog, settings.home_dir, {}, chosen, databases)
    again = replay(items.catalog, settings.home_dir, {}, chosen, databases)

    assert (done.replayed, done.still_unreadable, again.selected) == (1, 0, 0)
    rows = items.catalog.load_table(f"raw.{items.source.name}_items").scan().to_arrow().to_pylist()
    found = sorted(rows, key=lambda row: row["_position"])
    assert [(row["id"], row["small"]) for row in found] == [(2, 2**40), (3, None)]


def test_a_replay_leaves_the_source_as_it_is(
    topic: Callable[..., Topic], settings: Settings, postgres: TestPostgres
) -> None:
    items = topic()
    by_name("postgres").prepare_log(items.source)
    items.put_bytes([b"\x00 no event"])
    items.drain()
    with postgres.connect(items.source.database) as connection:
        connection.execute(b"create table later (id int primary key)")
    chosen, databases = Selection(source=items.source.name), {items.source.name: items.source}

    done = replay(items.catalog, settings.home_dir, {}, chosen, databases)

    with postgres.connect(items.source.database) as connection:
        replayed = connection.execute(b"select tablename from pg_publication_tables").fetchall()
    items.put([1])
    items.drain()
    with postgres.connect(items.source.database) as connection:
        drained = connection.execute(b"select tablename from pg_publication_tables").fetchall()
    drop_log(items.source)
    assert (done.selected, done.still_unreadable) == (1, 1)
    assert replayed == [("items",)]
    assert sorted(drained) == [("items",), ("later",)]


def test_a_transaction_that_was_aborted_never_appears(topic: Callable[..., Topic]) -> None:
    items = topic()
    producer = Producer({**items.bus.client, "transactional.id": items.name})
    producer.init_transactions(30)
    for numbers, is_kept in ((range(5), True), (range(5, 10), False), (range(10, 12), True), (range(12, 14), False)):
        producer.begin_transaction()
        for number in numbers:
            producer.produce(items.name, event(number, items.source.name), key=b"{}", partition=0)
        producer.flush(30)
        if is_kept:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    done, again = items.drain(), items.drain()

    assert (done.rows, done.rejected, again.messages) == (7, 0, 0)
    assert items.ids() == [*range(5), 10, 11]


def test_a_kafka_that_does_not_answer_is_one_line(
    postgres: TestPostgres, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(postgres.database(), "postgres", "nokafka", modes=("bulk", "cdc"))
    sink = Sink(catalog, source, {"bootstrap.servers": "127.0.0.1:9", "log_level": "0"}, "nokafka")

    with caplog.at_level(logging.WARNING), pytest.raises(RetryableError, match=r"127.0.0.1:9 does not answer"):
        sink.run(lambda: False, wait_seconds=2)
    sink.close()


def test_a_topic_that_is_not_there_is_one_line(bus: TestBus, postgres: TestPostgres, catalog: Catalog) -> None:
    name = bus.name()
    source = source_of(postgres.database(), "postgres", name, modes=("bulk", "cdc"))
    sink = Sink(catalog, source, {"bootstrap.servers": bus.bootstrap}, name)

    with pytest.raises(RetryableError, match=f"no topic of it yet; run `frazil cdc register {name}`"):
        sink.run(lambda: False, once=True)
    sink.close()


def test_messages_that_kafka_deleted_stop_the_sink_until_people_say_go_on(topic: Callable[..., Topic]) -> None:
    items = topic()
    items.put(range(10))
    items.drain()
    items.put(range(10, 20))
    items.admin.delete_records([TopicPartition(items.name, 0, 15)])[TopicPartition(items.name, 0)].result()

    with pytest.raises(PermanentError, match=r"no longer has offset .*frazil bulk load"):
        items.drain()
    assert items.ids() == list(range(10))
    items.drain(accepts_gaps=True)

    assert items.ids() == [*range(10), *range(15, 20)]
    assert items.drain().messages == 0


def test_a_topic_made_anew_is_not_taken_for_the_old_one(topic: Callable[..., Topic]) -> None:
    items = topic()
    items.put(range(10))
    items.drain()
    items.admin.delete_topics([items.name])[items.name].result()
    time.sleep(0.5)
    items.make()
    items.put(range(100, 120))

    with pytest.raises(PermanentError, match=r"deleted and made anew.*frazil bulk load"):
        items.drain()
    items.drain(accepts_gaps=True)
    items.put([120])
    items.drain()

    assert items.ids() == [*range(10), *range(100, 121)]
