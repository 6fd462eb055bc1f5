"""What `frazil reconcile` found is tested by dbt: the newest result of each table decides."""

from pathlib import Path

import pytest

from ingestion.bulk.reconcile import TABLE, Reconciliation
from ingestion.settings import Settings
from tests.integration.bulk_staging.shop import Shop
from tests.support.databases import TestPostgres

pytestmark = pytest.mark.spark


def reconcile(shop: Shop, *, is_now: bool = False) -> str:
    """Check the products and append the result, as the command does; its run id."""
    (table,) = [table for table in shop.dialect.tables(shop.source) if table.name == "products"]
    with shop.dialect.snapshot(shop.source, 1) as snapshot, snapshot.reader() as reader:
        work = Reconciliation(shop.lake.catalog, shop.source, shop.dialect, reader)
        return work.save(work.check(table, is_now=is_now))


def test_a_table_that_is_not_equal_fails_the_build_until_it_is_again(postgres: TestPostgres, tmp_path: Path) -> None:
    shop = Shop.of(postgres.shop(scale=0.002), Settings(home=tmp_path))
    shop.build("reconciled_tables")
    shop.load(tables=("products",))

    first = reconcile(shop)
    shop.build("reconciled_tables")
    (equal,) = shop.lake.rows("metadata.reconciled_tables")
    shop.sql("update products set price_amount = price_amount + 1")
    second = reconcile(shop, is_now=True)
    with pytest.raises(AssertionError, match="reconciled_tables_are_equal_to_their_sources"):
        shop.build("reconciled_tables")
    (different,) = shop.lake.rows("metadata.reconciled_tables")
    shop.load(tables=("products",), is_resumed=False)
    third = reconcile(shop)
    shop.build("reconciled_tables")

    assert (equal["table_name"], equal["is_equal"]) == ("raw.shop_products", True)
    assert equal["chunk_count"] == equal["equal_chunk_count"] > 0
    assert equal["source_row_count"] == equal["lake_row_count"] > 0
    assert different["is_equal"] is False
    assert different["equal_chunk_count"] < different["chunk_count"]
    kept = shop.lake.rows(TABLE)
    assert {row["_run_id"] for row in kept} == {first, second, third}
    assert sum(row["_run_id"] == first for row in kept) == equal["chunk_count"]
    assert {row["_run_id"] for row in kept if not row["is_equal"]} == {second}
