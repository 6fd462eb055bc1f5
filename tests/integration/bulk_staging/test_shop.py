"""Staging of a database holds what the source holds, and shows no copy before it is complete."""

from decimal import Decimal
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


def test_each_state_of_a_user_and_of_a_product_is_a_version_of_its_history(shop: Shop) -> None:
    histories = {"users": "shop_users_history", "products": "shop_products_history"}
    user = str(shop.scalar("select min(user_id) from users where user_id not in (select user_id from orders)"))
    product = "999999"
    another = f"""to_jsonb(one) || '{{"product_id": {product}, "sku": "frazil"}}'"""

    def seen(*statements: str) -> None:
        shop.sql(*statements)
        shop.load(is_resumed=False, tables=tuple(histories))
        models = [f"stg_shop_{name}" for name in histories]
        kinds = ("--resource-types", "model", "--resource-types", "snapshot")
        shop.lake.dbt("build", *kinds, "--select", *models, *histories.values())

    seen(
        "insert into products overriding system value "
        f"select (jsonb_populate_record(null::products, {another})).* from products one order by product_id limit 1"
    )
    first = {"users": shop.staged_row("users", user), "products": shop.staged_row("products", product)}
    seen(
        f"update users set full_name = 'Frazil Ice', credit_amount = 7.25 where user_id = {user}",
        f"update products set price_amount = 0.01 where product_id = {product}",
    )
    seen(
        f"create table kept_users as select * from users where user_id = {user}",
        f"create table kept_products as select * from products where product_id = {product}",
        f"delete from users where user_id = {user}",
        f"delete from products where product_id = {product}",
    )
    seen(
        "insert into users overriding system value select * from kept_users",
        "insert into products overriding system value select * from kept_products",
        "drop table kept_users, kept_products",
    )

    users = shop.versions(histories["users"], "user_id", user)
    products = shop.versions(histories["products"], "product_id", product)
    name, price = first["users"]["full_name"], first["products"]["price_amount"]
    states = [(False, name), (False, "Frazil Ice"), (True, "Frazil Ice"), (False, "Frazil Ice")]
    assert [(row["is_deleted"], row["full_name"]) for row in users] == states
    prices = [(False, price), (False, Decimal("0.01")), (True, Decimal("0.01")), (False, Decimal("0.01"))]
    assert [(row["is_deleted"], row["price_amount"]) for row in products] == prices
    for versions in (users, products):
        ends = [row["valid_to_at"] for row in versions]
        assert ends == [*(row["valid_from_at"] for row in versions[1:]), None]
    for table, history in histories.items():
        others = [row for row in shop.lake.rows(f"snapshots.{history}") if row["valid_to_at"] is None]
        assert len(others) == len(shop.staged(table))
