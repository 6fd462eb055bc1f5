"""What polling hands on, and that it goes on whatever happens to the database, the poller or the table."""

import logging
import threading
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from ingestion.errors import RetryableError, UsageError
from ingestion.lake.replay import Selection, replay
from ingestion.poll.poller import Note
from ingestion.poll.run import Run
from ingestion.webhooks.journal import Delivery
from tests.integration.poll.lab import PollLab

_ORDERS = """create table events (
    order_id serial primary key, customer_name varchar(100), restaurant_name varchar(100), item varchar(100),
    amount numeric(10,2), order_status varchar(20), created_at timestamp default current_timestamp)"""
_MESSAGE = (
    b'{"order_id":101,"customer_name":"John Doe","restaurant_name":"Burger Junction","item":"Veg Burger",'
    b'"amount":220.0,"order_status":"PLACED","created_at":"2025-01-15T12:24:00Z"}'
)
_EVENTS = "create table events (id int primary key, at timestamp(6) not null, note varchar(20))"


def _until(done: Any) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_message_is_the_row_as_json(postgres_lab: PollLab) -> None:
    postgres_lab.sql(
        _ORDERS,
        "insert into events values (101, 'John Doe', 'Burger Junction', 'Veg Burger', 220, 'PLACED', "
        "'2025-01-15 12:24:00')",
    )
    postgres_lab.again(cursor="created_at")

    with_rows = postgres_lab.poller()
    assert with_rows.poll().rows == 1
    with_rows.close()

    assert [delivery.body for delivery in postgres_lab.waiting()] == [_MESSAGE]
    postgres_lab.drain()
    (row,) = postgres_lab.rows()
    assert (row["order_id"], row["amount"], row["_load_type"], row["_op"]) == (101, Decimal("220.00"), "poll", "c")


def test_rows_of_one_moment_come_however_many_there_are(lab: PollLab) -> None:
    lab.sql(_EVENTS, *(f"insert into events values ({n}, '2026-01-01 00:00:00', 'x')" for n in range(5)))
    lab.again(rows=2)
    poller = lab.poller()

    first = poller.poll()
    lab.sql("insert into events values (5, '2026-01-01 00:00:00', 'late')")
    second = poller.poll()
    poller.close()

    assert (first.rows, second.rows) == (5, 1)
    lab.drain()
    lab.assert_each_once("id")


def test_a_poll_that_finds_nothing_leaves_no_trace(lab: PollLab) -> None:
    lab.sql(_EVENTS, "insert into events values (1, '2026-01-01 00:00:00', 'x')")
    poller = lab.poller()
    poller.poll()
    lab.drain()
    before = lab.catalog.load_table(lab.raw_name).metadata_location

    assert [poller.poll().rows for _ in range(5)] == [0] * 5

    poller.close()
    assert lab.drain().entries == 0
    assert lab.catalog.load_table(lab.raw_name).metadata_location == before


def test_a_lost_journal_costs_nothing_since_the_lake_knows_the_place(lab: PollLab) -> None:
    lab.sql(_EVENTS, "insert into events values (1, '2026-01-01 00:00:00', 'x')")
    first = lab.poller()
    first.poll()
    lab.drain()
    lab.sql("insert into events values (2, '2026-01-01 00:00:01', 'x')")
    first.poll()
    first.close()
    lab.lose_journal()

    second = lab.poller()
    second.poll()
    second.close()

    lab.drain()
    lab.assert_each_once("id")


def test_a_row_whose_table_was_not_there_is_replayed_from_the_quarantine(lab: PollLab) -> None:
    lab.sql(_EVENTS)
    name = lab.raw_name.removeprefix("raw.")
    note = msgspec.json.encode(Note(name, "1.0000000000@x", f"{name}:{'0' * 32}"))
    body = b'{"id":1,"at":"2026-01-01T00:00:00Z","note":"x"}'
    lab.bus(lab.raw_name, "").send([Delivery(f"poll/{lab.name}", b"1", 1_000_000, note, body, None)])
    assert lab.drain().rejected == 1
    lab.poller().close()

    done = replay(lab.catalog, lab.settings.home_dir, {}, Selection(source=lab.name), {lab.name: lab.source})

    assert (done.replayed, done.still_unreadable) == (1, 0)
    assert [(row["id"], row["_event_id"]) for row in lab.rows()] == [(1, f"{name}:{'0' * 32}")]


def test_of_two_pollers_one_is_told_to_wait(lab: PollLab) -> None:
    lab.sql(_EVENTS, "insert into events values (1, '2026-01-01 00:00:00', 'x')")
    first, second = lab.poller(), lab.poller()
    first.poll()

    with pytest.raises(RetryableError, match="another server writes"):
        second.poll()

    first.close()
    assert second.poll().rows == 0
    second.close()


def test_polling_goes_on_after_errors(lab: PollLab, caplog: pytest.LogCaptureFixture) -> None:
    lab.sql(_EVENTS, "insert into events values (1, '2026-01-01 00:00:00', 'x')")
    run = lab.run()
    stop = threading.Event()
    thread = threading.Thread(target=run.until, args=(stop,))
    with caplog.at_level(logging.WARNING):
        thread.start()
        _until(lambda: run.totals.rows.get(lab.raw_name) == 1)
        lab.sql("alter table events rename to gone")
        _until(lambda: run.totals.failures)
        lab.sql("alter table gone rename to events", "insert into events values (2, '2026-01-01 00:00:01', 'x')")
        _until(lambda: run.totals.rows.get(lab.raw_name) == 2)
    stop.set()
    thread.join()
    run.close()

    assert any(record.message == "poll_failed" for record in caplog.records)
    lab.drain()
    lab.assert_each_once("id")


def test_a_new_column_comes_with_the_rows_that_have_it(lab: PollLab) -> None:
    lab.sql(_EVENTS, "insert into events values (1, '2026-01-01 00:00:00', 'x')")
    run = lab.run()
    run.once()
    lab.drain()
    lab.sql("alter table events add column place varchar(9)")
    lab.sql("insert into events values (2, '2026-01-01 00:00:01', 'x', 'here')")

    run.once()
    run.close()

    lab.drain()
    assert {row["id"]: row["place"] for row in lab.rows() if row["id"] == 2} == {2: "here"}


def test_a_row_without_a_cursor_is_read_where_rows_tell_their_transaction(postgres_lab: PollLab) -> None:
    postgres_lab.sql("create table events (id int primary key, at timestamptz)", "insert into events values (1, null)")
    poller = postgres_lab.poller()
    poller.poll()
    postgres_lab.sql("insert into events values (2, now()), (3, null)")

    assert [poller.poll().rows, poller.poll().rows] == [2, 0]

    poller.close()


def test_a_row_from_the_far_future_does_not_hide_those_of_today(lab: PollLab, caplog: pytest.LogCaptureFixture) -> None:
    lab.sql(_EVENTS, "insert into events values (1, '2026-01-01 00:00:00', 'x'), (2, '2037-12-31 00:00:00', 'ahead')")
    poller = lab.poller()
    with caplog.at_level(logging.WARNING):
        first = poller.poll()
    poller.poll()
    lab.sql("insert into events values (3, '2026-01-01 00:00:01', 'x')")

    assert (first.rows, poller.poll().rows) == (1, 1)

    poller.close()
    assert [record.__dict__["rows"] for record in caplog.records if record.message == "rows_ahead_of_time"] == [1]


def test_rows_of_the_future_alone_are_read_when_their_time_comes(lab: PollLab) -> None:
    kind, now = {"postgres": ("timestamp", "clock_timestamp()"), "mysql": ("datetime(6)", "now(6)")}[lab.dialect]
    lab.sql(f"create table events (id int primary key, at {kind} not null)")
    poller = lab.poller()
    lab.sql(f"insert into events values (1, {now} + interval '1' day + interval '5' second)")

    _until(lambda: poller.poll().rows == 1)

    poller.close()
    lab.drain()
    lab.assert_each_once("id")


def test_numbers_are_paged_in_their_own_order(lab: PollLab) -> None:
    lab.sql(_EVENTS, *(f"insert into events values ({n}, '2026-01-01 00:00:00', 'x')" for n in range(8, 13)))
    lab.again(cursor="id", rows=2)
    poller = lab.poller()

    assert [poller.poll().rows for _ in range(4)] == [2, 2, 1, 0]

    poller.close()


def test_a_user_who_cannot_see_transactions_is_told_what_to_grant(
    postgres_lab: PollLab, caplog: pytest.LogCaptureFixture
) -> None:
    postgres_lab.sql(_EVENTS, "create role poller login password 'r'", "grant select on events to poller")
    poller = postgres_lab.poller(postgres_lab.source.model_copy(update={"user": "poller", "password": SecretStr("r")}))

    with caplog.at_level(logging.WARNING):
        poller.poll()

    poller.close()
    (line,) = [record for record in caplog.records if record.message == "transactions_not_seen"]
    assert line.__dict__["next"] == "grant pg_read_all_stats to its user"
    postgres_lab.sql("drop owned by poller", "drop role poller")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"cursor": "when"}, "there is no column when"),
        ({"cursor": "note"}, "take a number, a time or a date"),
        ({"cursor": ""}, "no table has a cursor"),
        ({"key": ["idd"]}, "there is no column idd"),
    ],
)
def test_what_cannot_be_polled_is_said_at_the_start(lab: PollLab, table: dict[str, Any], message: str) -> None:
    lab.sql(_EVENTS)
    lab.again(**table)

    with pytest.raises(UsageError, match=message):
        lab.run().once()


def test_a_table_without_a_key_needs_one_in_the_file(lab: PollLab) -> None:
    lab.sql("create table events (id int, at timestamp not null)")
    with pytest.raises(UsageError, match="the table has no key"):
        lab.run().once()
    lab.again(key=["id"])

    run: Run = lab.run()
    run.once()
    run.close()
