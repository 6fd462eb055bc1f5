"""Spark and the sink share tables: each reads what the other committed, and a conflict costs a second try."""

import pytest
from pyiceberg.catalog import Catalog
from pyspark.sql import SparkSession

from ingestion.lake.append import AppendTable
from ingestion.lake.manifests import FAN_OUT
from ingestion.lake.sink import drain
from ingestion.settings import Settings
from tests.unit.lake.conftest import things
from tests.unit.lake.deliveries import broken, column, contacts, journalled, order

pytestmark = pytest.mark.spark


def test_spark_reads_what_the_sink_wrote_and_the_other_way_round(
    settings: Settings, catalog: Catalog, spark: SparkSession
) -> None:
    for first in range(0, 3 * (FAN_OUT + 2), 3):  # enough commits for merged manifests
        journalled(settings, [order(first), order(first + 1), contacts(first)])
        drain(settings)
    journalled(settings, [broken(1)])
    drain(settings)
    orders = 2 * (FAN_OUT + 2)

    rows = spark.sql("select count(*), count(distinct id), max(_loaded_at) from lake.raw.shopify_orders").first()
    marks = spark.sql("show tblproperties lake.raw.shopify_orders").filter("key like 'frazil.journal.%'").count()
    history = spark.sql("select * from lake.raw.shopify_orders.history order by made_current_at desc").first()
    assert rows is not None
    assert history is not None
    pinned = spark.sql(f"select count(*) from lake.raw.shopify_orders version as of {history['snapshot_id']}").first()
    assert tuple(rows)[:2] == (orders, orders)
    assert marks == 1
    assert pinned == (orders,)
    body = spark.sql("select body from lake.metadata.quarantine where reason = 'not_json'").first()
    assert body is not None
    assert bytes(body[0]) == broken(1).body

    spark.sql("delete from lake.raw.shopify_orders where id = '0'")
    spark.sql(
        "call lake.system.rewrite_data_files(table => 'raw.shopify_orders', options => map('rewrite-all', 'true'))"
    )
    journalled(settings, [order(1_000)])
    drain(settings)

    ids = column(catalog, "raw.shopify_orders", "id")
    again = spark.sql("select count(*) from lake.raw.shopify_orders").first()
    assert len(ids) == len(set(ids)) == orders
    assert again == (orders,)


def test_an_append_beside_spark_maintenance_lands_once(catalog: Catalog, table: str, spark: SparkSession) -> None:
    writer = AppendTable(catalog, table)
    writer.append(things("1"), "r", {"j": 1})
    spark.sql(f"call lake.system.rewrite_manifests('{table}')")
    spark.sql(f"insert into lake.{table} values ('2', '{{}}', timestamp '2026-01-01 00:00:00', 'spark')")

    done = writer.append(things("3"), "r", {"j": 2})
    spark.sql(f"insert into lake.{table} values ('4', '{{}}', timestamp '2026-01-01 00:00:00', 'spark')")

    assert done.tries == 2
    assert sorted(column(catalog, table, "id")) == ["1", "2", "3", "4"]
    assert AppendTable(catalog, table).mark("j") == 2
