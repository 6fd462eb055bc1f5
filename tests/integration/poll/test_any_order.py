"""Whatever the order of transactions, polls, deaths and flushes: each row that was committed is in raw, no state of it
twice, and nothing that was rolled back."""

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.poll.poller import Poller
from tests.integration.poll.lab import PollLab

_TABLE = {
    "postgres": """create table events (id bigint generated always as identity primary key,
        at timestamptz not null default now(), second timestamptz(0) not null default now(), note text)""",
    "mysql": """create table events (id bigint auto_increment primary key,
        at datetime(6) not null default current_timestamp(6), second datetime not null default current_timestamp,
        note text)""",
}
_WRITERS = 3
_writer = st.integers(0, _WRITERS - 1)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), _writer, st.sampled_from([1, 2, 3, 12])),
        st.tuples(st.just("savepoint"), _writer, st.integers(1, 3)),
        st.tuples(st.just("update"), _writer, st.integers(1, 12)),
        st.tuples(st.sampled_from(["begin", "commit", "rollback"]), _writer, st.just(0)),
        st.tuples(st.sampled_from(["poll", "poll", "drain", "die"]), st.just(0), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)
_any = settings(deadline=None, suppress_health_check=list(HealthCheck))
_few, _many = settings(_any, max_examples=8), settings(_any, max_examples=150)
_tries = given(steps=_steps, cursor=st.sampled_from(["at", "id", "second"]), rows=st.sampled_from([1, 3, 1000]))


class World:
    """Three writers and a poller over a fresh table. Each change writes a note of its own."""

    def __init__(self, lab: PollLab, cursor: str, rows: int) -> None:
        lab.sql("drop table if exists events", _TABLE[lab.dialect])
        lab.again(cursor=cursor, rows=rows)
        self.lab = lab
        self.writers = [lab.connect() for _ in range(_WRITERS)]
        self.open: dict[int, list[str]] = {}
        self.locked: dict[int, int] = {}
        self.committed: set[str] = set()
        self.notes = (f"note {number}" for number in count(1))
        self.poller: Poller | None = lab.poller()

    def step(self, what: str, number: int, amount: int) -> None:
        if what == "begin" and number not in self.open:
            self.lab.sql("begin", on=self.writers[number])
            self.open[number] = []
        elif what in ("commit", "rollback") and number in self.open:
            self.lab.sql(what, on=self.writers[number])
            notes = self.open.pop(number)
            self.committed.update(notes if what == "commit" else ())
            self.locked = {row: writer for row, writer in self.locked.items() if writer != number}
        elif what == "insert" or (what == "savepoint" and number in self.open):
            if what == "savepoint":
                self.lab.sql("savepoint here", on=self.writers[number])
            for _ in range(amount):
                self.change("insert into events (note) values ('{}')", number)
        elif what == "update":
            self.update(number, amount)
        elif what == "poll":
            self.poll()
        elif what == "drain":
            self.lab.drain()
        elif what == "die":
            self.end_poller()

    def change(self, sql: str, number: int) -> None:
        note = next(self.notes)
        self.lab.sql(sql.format(note), on=self.writers[number])
        if number in self.open:
            self.open[number].append(note)
        else:
            self.committed.add(note)

    def update(self, number: int, row: int) -> None:
        """One of the newest rows, unless another's transaction holds it."""
        there = self.lab.sql(f"select id from events order by id desc limit {row}")
        if not there or self.locked.get(there[-1][0], number) != number:
            return
        if number in self.open:
            self.locked[there[-1][0]] = number
        self.change(f"update events set note = '{{}}' where id = {there[-1][0]}", number)

    def poll(self) -> None:
        self.poller = self.poller or self.lab.poller()
        while self.poller.poll().is_full:
            pass

    def end_poller(self) -> None:
        if self.poller is not None:
            self.poller.close()
        self.poller = None

    def end(self) -> None:
        for number in list(self.open):
            self.step("commit", number, 0)
        self.poll()
        self.poll()
        self.end_poller()
        self.lab.drain()
        for writer in self.writers:
            self.lab.leave(writer)


def _tried(lab: PollLab, steps: list[Any], cursor: str, rows: int) -> None:
    world = World(lab, cursor, rows)
    for step in steps:
        world.step(*step)
    world.end()
    stored = [(row["id"], row["note"]) for row in lab.rows()]
    assert len(stored) == len(set(stored)), stored
    assert {note for _, note in stored} <= world.committed
    assert {row for row, _ in stored} == {row for (row,) in lab.sql("select id from events")}


@_few
@_tries
def test_each_committed_row_of_postgresql_is_in_raw_once(
    postgres_lab: PollLab, steps: list[Any], cursor: str, rows: int
) -> None:
    _tried(postgres_lab, steps, cursor, rows)


@_few
@_tries
def test_each_committed_row_of_mariadb_is_in_raw_once(
    mariadb_lab: PollLab, steps: list[Any], cursor: str, rows: int
) -> None:
    _tried(mariadb_lab, steps, cursor, rows)


@pytest.mark.stress
@pytest.mark.timeout(3600)
@_many
@_tries
def test_each_committed_row_is_in_raw_once_in_many_orders(
    lab: PollLab, steps: list[Any], cursor: str, rows: int
) -> None:
    _tried(lab, steps, cursor, rows)


def test_the_rule_by_the_time_of_the_last_row_loses_a_late_commit_and_ours_does_not(lab: PollLab) -> None:
    """Row 1 is stamped first and committed last: whoever asks for rows after the last one's time never sees it."""
    lab.sql(_TABLE[lab.dialect])
    late, naive, last = lab.connect(), list[int](), "1970-01-01"
    poller = lab.poller()

    def poll_both() -> None:
        nonlocal last
        found = lab.sql(f"select id, at from events where at > '{last}' order by at, id")
        naive.extend(row[0] for row in found)
        last = str(found[-1][1]) if found else last
        poller.poll()

    lab.sql("begin", "insert into events (note) values ('late')", on=late)
    lab.sql("insert into events (note) values ('early')")
    poll_both()
    lab.sql("commit", on=late)
    lab.sql("insert into events (note) values ('last')")
    poll_both()
    poll_both()
    poller.close()
    lab.drain()

    assert naive == [2, 3], "the naive rule must lose the late row, or this test does not test"
    assert sorted(row["id"] for row in lab.rows()) == [1, 2, 3]
