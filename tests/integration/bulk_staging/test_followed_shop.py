"""Staging of a shop that is followed by its log: copies, then what writers change; in the end it is the source."""

import time

import pytest

from ingestion.bulk.dialects.base import by_name
from ingestion.cdc.proof import check_followed
from ingestion.settings import Settings
from ingestion.stack.shop.writers import write
from tests.integration.bulk_staging.shop import Shop
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.debezium import Followed

pytestmark = pytest.mark.spark


def brought(shop: Shop, followed: Followed) -> None:
    """Until raw stands for what the source holds now, table by table."""
    dialect, settings = by_name("postgres"), shop.lake.settings
    with dialect.snapshot(shop.source, 1) as snapshot, snapshot.reader() as reader:
        for table in dialect.tables(shop.source):
            checked = check_followed(
                shop.lake.catalog,
                shop.source,
                reader,
                snapshot.position,
                table,
                time.monotonic() + 120,
                lambda _: _drained(followed, settings),
            )
            assert checked.is_equal, checked


def _drained(followed: Followed, settings: Settings) -> None:
    followed.drain(settings)
    time.sleep(0.2)


def test_changes_of_every_kind_end_in_staging_as_the_source_has_them(
    postgres: TestPostgres, bus: TestBus, settings: Settings
) -> None:
    shop = Shop.of(postgres.shop(scale=0.002), settings, modes=("bulk", "cdc"))
    followed = Followed(bus, shop.source)
    shop.load()
    followed.register()
    shop.build()
    copied = {name: shop.living(name) for name in shop.tables()}

    write(shop.facts, 2, writers=3)
    brought(shop, followed)
    shop.build()

    followed.unregister()
    for name in shop.tables():
        assert shop.living(name) == shop.in_source(name), name
    for name in ("orders", "order_items", "payments", "food_orders"):
        assert shop.living(name) != copied[name]
    assert any(row["is_deleted"] for row in shop.staged("payments"))
