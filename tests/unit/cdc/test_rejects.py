"""Refused messages are in the quarantine once, whoever else writes there and however often they are read."""

from collections.abc import Sequence
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from ingestion.cdc.intake import Letter, Rejected
from ingestion.cdc.offsets import Offset
from ingestion.cdc.rejects import Quarantine
from ingestion.reasons import UNREADABLE

PLACE = ("shop.public.orders", 0)


def add(into: Quarantine, offsets: Sequence[int], reached: int) -> int:
    refused = [Rejected(Letter(one, None, b"%d" % one, 0), UNREADABLE, "") for one in offsets]
    return into.add("shop_orders", {PLACE: refused}, {PLACE: Offset(reached, "id")})


def bodies(catalog: Catalog) -> list[bytes]:
    return sorted(catalog.load_table("metadata.quarantine").scan().to_arrow()["body"].to_pylist())


@pytest.fixture
def quarantines(catalog: Catalog) -> list[Quarantine]:
    return [Quarantine(catalog, "shop", f"run{number}") for number in range(2)]


def test_what_another_sink_left_out_is_added(catalog: Catalog, quarantines: list[Quarantine]) -> None:
    ours, others = quarantines
    table = ours._opened()
    new_file = table.new_file

    def beaten(run_id: str) -> Any:
        table.new_file = new_file  # type: ignore[method-assign]
        add(others, [5], 6)
        return new_file(run_id)

    table.new_file = beaten  # type: ignore[method-assign]
    added = add(ours, [5, 9], 10)

    assert added == 1
    assert bodies(catalog) == [b"5", b"9"]


def test_what_was_good_when_read_first_and_is_refused_now_is_added(
    catalog: Catalog, quarantines: list[Quarantine]
) -> None:
    ours, _ = quarantines
    add(ours, [5], 10)

    again = [add(ours, [3, 5, 7], 8), add(ours, [3, 5, 7, 9], 10), add(ours, [11], 12)]

    assert again == [2, 1, 1]
    assert bodies(catalog) == [b"11", b"3", b"5", b"7", b"9"]


def test_a_topic_made_anew_has_messages_of_its_own(catalog: Catalog, quarantines: list[Quarantine]) -> None:
    ours, _ = quarantines
    add(ours, [5], 10)
    refused = {PLACE: [Rejected(Letter(5, None, b"new", 0), UNREADABLE, "")]}

    added = [ours.add("shop_orders", refused, {PLACE: Offset(6, "another id")}) for _ in range(2)]

    assert added == [1, 0]
    assert bodies(catalog) == [b"5", b"new"]
