"""Both engines write the same rows into the same kind of table, from one snapshot."""

import pytest
from pyspark.sql import SparkSession

from tests.integration.bulk.lab import Lab

pytestmark = pytest.mark.spark


def test_both_engines_give_equal_raw_tables(lab: Lab, spark: SparkSession) -> None:
    lab.orders(4000)
    lab.sql("create table logs (line integer, at timestamp, day date, ratio double precision)")
    lab.sql("insert into logs values (1, '2026-01-02 03:04:05.5', '2026-01-02', 0.1), (null, null, null, null)")
    lab.sql("create table tags (name varchar(30) primary key, is_new boolean)", "insert into tags values ('a', true)")

    copied = lab.load(engine="copy")
    read = lab.load(engine="jdbc", is_resumed=False)

    assert {name: (one.status, one.rows) for name, one in read.items()} == {
        name: ("loaded", one.rows) for name, one in copied.items()
    }
    for name, one in copied.items():
        platform = {"_event_id", "_loaded_at", "_run_id", "_source_at", "_position"}
        columns = [column for column in lab.rows(name).column_names if column not in platform]
        first, second = (lab.rows(name, found.run_id).select(columns).to_pylist() for found in (one, read[name]))
        assert sorted(map(repr, first)) == sorted(map(repr, second))
        ids = [lab.rows(name, found.run_id)["_event_id"].to_pylist() for found in (one, read[name])]
        tails = [{text.rsplit(":", 1)[1] for text in found} for found in ids]
        assert tails[0] == tails[1]
    assert all(one.is_equal for one in lab.checked(is_now=True))
    assert spark.read.table("raw.lab_orders").where(f"_run_id = '{read['orders'].run_id}'").count() == 4000


def test_spark_reads_the_loads_snapshot_where_it_can_be_shared(pg: Lab, spark: SparkSession) -> None:
    pg.orders(4000)
    from tests.integration.bulk.test_changed import loaded_after

    outcome = loaded_after(
        pg, lambda: pg.sql("update orders set note = 'later'", "delete from orders where id < 100"), engine="jdbc"
    )

    assert (outcome.status, outcome.rows, outcome.consistency) == ("loaded", 4000, "snapshot"), outcome.error
    assert "later" not in pg.rows("orders")["note"].to_pylist()
    assert all(one.is_equal and one.basis == "load" for one in pg.checked())
