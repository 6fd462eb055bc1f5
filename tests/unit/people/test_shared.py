"""Records that must not be found by what they share."""

import pytest

from tests.support.people.generator import people
from tests.support.people.mixes import EASY
from tests.support.people.shared import EMPTY, hostile_records, one_record_each, sharing, without_addresses


def test_sharers_are_different_people_with_one_mailbox_and_number() -> None:
    found = sharing(one_record_each(people(EASY, 500, 1), 100))

    assert len(set(found["person_id"].to_pylist())) == found.num_rows == 100
    assert set(found["email"].to_pylist()) == {"test@example.com"}
    assert len(set(found["phone"].to_pylist())) == 1
    assert found["address"].null_count == 100


def test_only_addresses_are_left_out() -> None:
    records = people(EASY, 100, 1)
    without = without_addresses(records)

    assert [name for name in records.schema.names if without[name] != records[name]] == [
        "address",
        "city",
        "postal_code",
    ]
    assert without["city"].null_count == 100


def test_too_few_people_are_an_error() -> None:
    with pytest.raises(ValueError, match="people, 100 are asked for"):
        one_record_each(people(EASY, 100, 1), 100)


def test_hostile_records_have_keys_of_their_own_and_the_first_ones_name_nobody() -> None:
    found = hostile_records(2)

    assert len(set(found["source_id"].to_pylist())) == found.num_rows > 2 * EMPTY
    assert all(len((name or "").strip()) <= 4 for name in found["first_name"].slice(0, 2 * EMPTY).to_pylist())
    assert max(len(name or "") for name in found["first_name"].to_pylist()) == 1000
