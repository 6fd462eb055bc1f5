"""`frazil status` tells how far followed tables are."""

from collections.abc import Callable
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog

from ingestion.cdc.flush import Pile
from ingestion.cdc.followed import Followed
from ingestion.cdc.intake import Intake, Partition
from ingestion.cdc.standing import standing
from tests.unit.cdc.conftest import letter


def test_a_followed_table_says_how_far_its_topic_is_in_raw(followed: Callable[..., Followed], catalog: Catalog) -> None:
    table = followed()
    partition = Partition("shop.public.orders", 3)
    intake = Intake(table, "public", "orders")
    changes, taken = intake.changes(partition, [letter(7), letter(8)], table.look("postgres"))
    intake.rows(changes, [letter(7), letter(8)], taken)
    pile = Pile(table, table.copies)
    pile.add(partition, None, taken)

    pile.commit("run")

    assert standing(catalog, datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)) == [
        {
            "table": "raw.shop_orders",
            "topic": "shop.public.orders",
            "partition": 3,
            "next_offset": 9,
            "position": "00000000/00000424",
            "last_change_at": datetime(2023, 11, 14, 22, 13, 20, 8, tzinfo=UTC),
            "silent_seconds": 60.0,
        }
    ]
