"""Staging of a database holds what the source holds, and shows no copy before it is complete."""

from pathlib import Path

import pytest

from ingestion.settings import Settings
from tests.integration.bulk_staging.shop import Shop
from tests.support.databases import TestPostgres

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def shop(postgres: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that is loaded and staged once; the tests below change it one after another."""
    home: Path = tmp_path_factory.mktemp("shop")
    made = Shop.of(postgres.shop(scale=0.002), Settings(home=home))
    made.build()
    made.load()
    made.build()
    return made


def staged_snapshots(shop: Shop) -> dict[str, list[int]]:
    return {name: ids for name, ids in shop.lake.snapshot_ids().items() if name.startswith("staging.")}


def test_each_table_is_staged_row_by_row(shop: Shop) -> None:
    for name in shop.tables():
        staged = shop.living(name)

        assert staged == shop.in_source(name), name
        assert staged


def test_with_nothing_new_nothing_is_committed(shop: Shop) -> None:
    before = staged_snapshots(shop)

    shop.build()

    assert staged_snapshots(shop) == before


def test_a_copy_is_not_seen_before_it_is_complete_and_then_at_once(shop: Shop) -> None:
    shop.sql("update products set price_amount = price_amount + 1, updated_at = now()")
    before, old = staged_snapshots(shop), shop.living("products")

    stopped = shop.load(stop_after=2, is_resumed=False, tables=("products",), parallel_tables=1)["products"]
    shop.build("stg_shop_products")
    seen, then = shop.living("products"), staged_snapshots(shop)
    loaded = shop.load(tables=("products",))["products"]
    shop.build("stg_shop_products")

    assert (stopped.status, loaded.status) == ("interrupted", "loaded")
    assert stopped.rows > 0
    assert (seen, then) == (old, before)
    assert shop.living("products") == shop.in_source("products") != old


def test_a_new_copy_deletes_what_it_lacks_and_writes_only_what_differs(shop: Shop) -> None:
    before = {row["user_id"]: row for row in shop.staged("users")}
    with shop.connect() as connection:
        gone = [
            str(row[0])
            for row in connection.execute(
                "select user_id from users where user_id not in (select user_id from orders) order by 1 limit 3"
            )
        ]
    shop.sql(
        f"delete from users where user_id in ({', '.join(gone)})",
        "update users set full_name = 'Grease Ice' where user_id in (select user_id from orders order by 1 limit 1)",
        "insert into users (full_name, country, credit_amount, is_active) values ('Nilas', 'NO', 1.25, true)",
    )

    shop.load(is_resumed=False)
    shop.build()

    after = {row["user_id"]: row for row in shop.staged("users")}
    written = {key for key, row in after.items() if row["_staged_at"] != before.get(key, {}).get("_staged_at")}
    (new,) = set(after) - set(before)
    (changed,) = [key for key, row in after.items() if row["full_name"] == "Grease Ice"]
    assert gone
    assert written == {new, changed, *gone}
    for key in gone:
        assert (after[key]["is_deleted"], after[key]["deleted_at"] is not None) == (True, True)
        assert after[key]["full_name"] == before[key]["full_name"]
    for name in shop.tables():
        assert shop.living(name) == shop.in_source(name), name


def test_a_row_that_comes_back_lives_again(shop: Shop) -> None:
    shop.sql(
        "create table kept as select * from order_items where line_number = 2",
        "delete from order_items where line_number = 2",
    )
    shop.load(is_resumed=False, tables=("order_items",))
    shop.build("stg_shop_order_items")
    without = shop.living("order_items")
    shop.sql("insert into order_items select * from kept", "drop table kept")
    shop.load(is_resumed=False, tables=("order_items",))

    shop.build("stg_shop_order_items")

    assert without
    assert shop.living("order_items") == shop.in_source("order_items")
    assert len(without) < len(shop.living("order_items"))
