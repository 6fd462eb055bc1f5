"""Messages become rows or are refused, one by one, and every one of them is counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.bulk.marks import View
from ingestion.cdc.envelope import PLACEHOLDER
from ingestion.cdc.followed import Followed
from ingestion.cdc.intake import Intake, Letter, Partition, Taken
from ingestion.cdc.positions import PostgresRanking
from tests.unit.cdc.conftest import letter

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def _taken(followed: Followed, letters: list[Letter]) -> Taken:
    partition = Partition("shop.public.orders", 0)
    intake = Intake(followed, "public", "orders")
    changes, taken = intake.changes(partition, letters, followed.look("postgres"))
    intake.rows(changes, letters, taken)
    assert partition.next == letters[-1].offset + 1
    return taken


def test_each_kind_of_change_is_a_row(followed: Callable[..., Followed]) -> None:
    letters = [
        letter(0),
        letter(1, "u", {"id": 0, "amount": "2.00", "note": PLACEHOLDER}),
        letter(2, "d", {"id": 0, "amount": "0", "note": ""}),
        letter(3, "t"),
        Letter(4, b'{"id":0}', None, 0),
    ]

    taken = _taken(followed(), letters)

    assert taken.rows is not None
    rows = taken.rows.to_pylist()
    assert [row["_op"] for row in rows] == ["c", "u", "d", "t"]
    assert [row["id"] for row in rows] == [0, 0, 0, None]
    assert [str(row["amount"]) for row in rows] == ["1.50", "2.00", "None", "None"]
    assert [row["note"] for row in rows] == ["n", None, None, None]
    assert [row["_raw_overflow"] for row in rows] == [None, [("note", PLACEHOLDER)], None, None]
    assert [row["_position"] for row in rows] == sorted(row["_position"] for row in rows)
    assert (taken.events, taken.tombstones, taken.rejected) == (4, 1, [])


def test_an_update_without_a_key_is_the_old_row_deleted_and_the_new_one(followed: Callable[..., Followed]) -> None:
    old, new = {"id": 1, "amount": "1.00", "note": "a"}, {"id": 1, "amount": "1.00", "note": "b"}

    taken = _taken(followed(()), [letter(0, "u", new, before=old), letter(1, "d", new)])

    assert taken.rows is not None
    found = [(row["_op"], row["note"]) for row in taken.rows.to_pylist()]
    assert found == [("d", "a"), ("u", "b"), ("d", "b")]
    assert len(set(taken.rows["_event_id"].to_pylist())) == 3


def test_half_an_update_is_no_row_at_all(followed: Callable[..., Followed]) -> None:
    old, new = {"id": 1, "amount": "1.00", "note": "a"}, {"id": "no number", "amount": "1.00", "note": "b"}

    taken = _taken(followed(()), [letter(0, "u", new, before=old), letter(1)])

    assert taken.rows is not None
    assert taken.rows.num_rows == 1
    assert [one.letter.offset for one in taken.rejected] == [0]


@pytest.mark.parametrize(
    "bad",
    [
        letter(5)._replace(value=b"not json"),
        letter(5)._replace(value=b""),
        letter(5)._replace(value=b"[]"),
        letter(5)._replace(value=b"{}\n{}"),
        letter(5)._replace(value=b'{"op":"c","source":{"table":"orders"}}'),
        letter(5)._replace(value=b"\xff\xfe\x00"),
        letter(5)._replace(value=b"[" * 5000),
        letter(5, "x"),
        letter(5, table="others"),
        letter(5, schema="elsewhere"),
        letter(5, "c", after=None),
        letter(5, row={"id": "x", "amount": "1", "note": "n"}),
        letter(5, row={"id": 5, "amount": [], "note": "n"}),
        letter(5, row={"id": 2**70, "amount": "1", "note": "n"}),
        letter(5, row={"id": 5, "amount": "1", "note": {"a": 1}}),
        letter(5, sequence=5),
    ],
)
def test_a_poisoned_message_is_refused_and_its_neighbours_are_not(
    followed: Callable[..., Followed], bad: Letter
) -> None:
    taken = _taken(followed(), [letter(4), bad, letter(6)])

    assert taken.rows is not None
    assert taken.rows["id"].to_pylist() == [4, 6]
    [refused] = taken.rejected
    assert refused.letter is bad
    assert refused.detail


_BYTES = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda number: letter(0, row={"id": number, "amount": "1", "note": "n"}).value, st.integers()),
    st.builds(lambda text: letter(0, row={"id": 1, "amount": text, "note": text}).value, st.text(max_size=8)),
    st.none(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(_BYTES, min_size=1, max_size=20))
def test_every_message_is_counted_once(followed: Callable[..., Followed], values: list[bytes | None]) -> None:
    letters = [Letter(offset, None, value, 0) for offset, value in enumerate(values)]

    taken = _taken(followed(), letters)

    rows = taken.rows.num_rows if taken.rows is not None else 0
    assert rows == taken.events
    assert taken.messages == taken.tombstones + taken.events + len(taken.rejected)


def test_columns_that_nobody_knows_are_kept_as_text(followed: Callable[..., Followed]) -> None:
    taken = _taken(followed(), [letter(0, row={"id": 1, "amount": "1.00", "note": None, "gone": [1], "empty": None})])

    assert taken.rows is not None
    assert taken.rows["_raw_overflow"].to_pylist() == [[("gone", "[1]")]]


class OneByOne(PostgresRanking):
    """Places nothing at once."""

    places_all = False


events = st.tuples(
    st.sampled_from("ccuurd"),
    st.integers(0, 3),  # commit
    st.integers(0, 2),  # place
    st.sampled_from([7, 2**31, 8, None]),
    st.sampled_from([{}, {"note": None}, {"strange": "x"}, {"amount": "NaN"}, {"id": "no number"}]),
    st.sampled_from([*[True] * 9, False]),  # of this table
)


@given(st.lists(events, min_size=1, max_size=12), st.booleans(), st.sampled_from(["0/0", "0/2"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_messages_taken_at_once_are_the_rows_of_messages_taken_one_by_one(
    followed: Callable[..., Followed], found: list[tuple[Any, ...]], has_key: bool, copied: str
) -> None:
    letters = []
    for number, (op, commit, place, xid, more, is_ours) in enumerate(found):
        where = {"lsn": place, "txId": xid, "sequence": f'["{commit}","{place}"]'}
        row = {"id": number, "amount": "1.50", "note": "n", **more}
        letters.append(letter(number, op, row, table="orders" if is_ours else "others", **where))
    table, seen = followed(("id",) if has_key else ()), [View(copied, "7:9:8", "", NOW)]
    taken, partitions = [], []
    for ranking in (PostgresRanking(seen, seen), OneByOne(seen, seen)):
        partition, intake = Partition("shop.public.orders", 3), Intake(table, "public", "orders")
        changes, one = intake.changes(partition, letters, ranking)
        intake.rows(changes, letters, one)
        taken.append(one)
        partitions.append(partition)

    assert partitions[0] == partitions[1]
    assert taken[0] == taken[1]
