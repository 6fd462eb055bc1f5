"""What is read at once is what is read one by one, whatever the bytes are."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestion.bulk.marks import View
from ingestion.cdc.envelope import Envelope, decoded
from ingestion.cdc.followed import Followed
from ingestion.cdc.form import ColumnForm, Form
from ingestion.cdc.intake import Intake, Letter, Partition, Taken
from ingestion.cdc.positions import PostgresRanking
from ingestion.cdc.usual import Events, Usual
from tests.unit.cdc.conftest import letter

NAMES = ("id", "amount", "note")
FORM = Form(
    "public",
    "orders",
    "raw.shop_orders",
    ("id",),
    (
        *(ColumnForm(name, name, "string", "text") for name in NAMES),
        ColumnForm("old", "old", "string", "text", is_retired=True),
    ),
    ("hidden",),
)


class OneByOne(PostgresRanking):
    """Places nothing at once."""

    places_all = False


def values(letters: Sequence[Letter]) -> list[bytes]:
    return [one.value for one in letters if one.value is not None]


def test_usual_events_are_read_column_by_column() -> None:
    row = {"id": 1, "amount": "2.00", "note": None}

    found = Usual(FORM).read(values([letter(0, row=row), letter(1, "u", {**row, "old": "x", "hidden": 1})]))

    assert found is not None
    assert found.ops == ["c", "u"]
    assert found.times == [1_700_000_000_000_000, 1_700_000_000_000_001]
    assert found.columns == {
        "id": [1, 1],
        "amount": ["2.00", "2.00"],
        "note": [None, None],
        "old": [None, "x"],
        "hidden": [None, 1],
    }


@pytest.mark.parametrize(
    "odd",
    [
        letter(1, "d"),
        letter(1, "t"),
        letter(1, "x"),
        letter(1, table="others"),
        letter(1, schema="elsewhere"),
        letter(1, row={"id": 1, "amount": "1"}),
        letter(1, row={"id": 1, "amount": "1", "note": None, "strange": None}),
        letter(1, ts_us=None),
        letter(1, txId=None),
        letter(1, sequence=None),
        letter(1, ts_ms="now"),
        letter(1, before=5),
        letter(1)._replace(value=b" "),
        letter(1)._replace(value=b""),
    ],
)
def test_one_event_of_another_kind_is_enough_to_read_all_one_by_one(odd: Letter) -> None:
    assert Usual(FORM).read(values([letter(0), odd, letter(2)])) is None


def test_a_message_of_two_events_does_not_stand_for_an_empty_one() -> None:
    first, second = values([letter(0), letter(1)])

    assert Usual(FORM).read([first + b"\n" + second, b""]) is None
    assert Usual(FORM).read([first + b"\n" + second, b" \n"]) is None
    assert Usual(FORM).read([b"\n" + first, second + b"\n" + first]) is None


def test_columns_with_names_that_cannot_be_looked_for_are_read_one_by_one() -> None:
    odd = msgspec.structs.replace(FORM, columns=(*FORM.columns, ColumnForm('a "b"', "a_b", "string", "text")))

    assert Usual(odd).read(values([letter(0, row={"id": 1, "amount": "", "note": "", 'a "b"': ""})])) is None


def test_without_a_key_an_update_is_read_by_itself() -> None:
    keyless = Usual(msgspec.structs.replace(FORM, key=()))

    assert keyless.read(values([letter(0)])) is not None
    assert keyless.read(values([letter(0, "u")])) is None


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.lists(st.integers()))
_ROWS = st.fixed_dictionaries(
    {"id": st.one_of(st.integers(-9, 9), _SCALARS), "amount": st.one_of(st.just("1.50"), _SCALARS), "note": _SCALARS},
    optional={"strange": _SCALARS},
)


def _bytes(row: dict[str, Any], op: str, number: int, change: tuple[int, bytes] | None) -> bytes:
    value = letter(number, op, row).value
    assert value is not None
    if change is None:
        return value
    place, piece = change[0] % len(value), change[1]
    return value[:place] + piece + value[place + len(piece) :]


_CHANGES = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 2000), st.binary(max_size=3)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_ROWS, st.sampled_from("ccccuurd"), _CHANGES), min_size=1, max_size=6), st.booleans())
@example([({"id": 1, "amount": "1", "note": "a"}, "c", None), ({"id": 2, "amount": "2", "note": "b"}, "u", None)], True)
def test_whatever_the_bytes_are_both_ways_give_the_same(
    followed: Callable[..., Followed], found: list[tuple[dict[str, Any], str, Any]], has_key: bool
) -> None:
    letters = [Letter(n, None, _bytes(row, op, n, change), 0) for n, (row, op, change) in enumerate(found)]
    table = followed(("id",) if has_key else ())
    taken: list[Taken] = []
    partitions = []
    views: list[View] = []
    for ranking in (PostgresRanking(views, views), OneByOne(views, views)):
        partition, intake = Partition("shop.public.orders", 0), Intake(table, "public", "orders")
        changes, one = intake.changes(partition, letters, ranking)
        intake.rows(changes, letters, one)
        taken.append(one)
        partitions.append(partition)

    assert partitions[0] == partitions[1]
    assert taken[0] == taken[1]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_ROWS, st.sampled_from("cur"), _CHANGES), min_size=1, max_size=4))
def test_what_is_read_at_once_is_what_the_exact_way_reads(found: list[tuple[dict[str, Any], str, Any]]) -> None:
    bodies = [_bytes(row, op, number, change) for number, (row, op, change) in enumerate(found)]

    events = Usual(FORM).read(bodies)

    exact = decoded(bodies)
    if events is not None:
        assert _rows(events) == [_exact(one) for one in exact]


def _rows(events: Events) -> list[str]:
    columns = [[repr(value) for value in events.columns[name]] for name in NAMES]
    places = [(*place, FORM.name, FORM.schema) for place in zip(*events.places, strict=True)]
    return [repr(one) for one in zip(events.ops, places, events.times, *columns, strict=True)]


def _exact(event: Any) -> str:
    assert isinstance(event, Envelope)
    assert event.after is not None
    source = event.source
    place = (source.lsn, source.txId, source.sequence, source.table, source.schema)
    return repr((event.op, place, source.ts_us, *(repr(event.after.get(name)) for name in NAMES)))
