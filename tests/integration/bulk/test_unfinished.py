"""Rows of copies that were begun and never completed: nobody reads them, and maintenance deletes them."""

import pytest
from pyspark.sql import SparkSession

from ingestion.bulk.marks import ABANDONED, marks_of
from ingestion.lake.maintenance.plan import plan_lake
from ingestion.lake.maintenance.run import Maintenance
from tests.integration.bulk.lab import Lab

pytestmark = pytest.mark.spark
TABLE = "raw.lab_orders"
COLUMNS = ("id", "note", "amount", "qty")


def stopped(lab: Lab, **options: bool) -> str:
    """Begin a copy and stop it when some of its chunks are committed; returns its run id."""
    outcome = lab.stopped(**options)
    assert outcome.chunks > 0
    return str(outcome.run_id)


def test_rows_of_an_overtaken_copy_are_deleted_and_the_marks_of_others_stay(lab: Lab, spark: SparkSession) -> None:
    lab.orders(6000)
    first = lab.load()["orders"]
    given_up = stopped(lab, is_resumed=False)
    second = lab.load(is_resumed=False)["orders"]
    unfinished = stopped(lab, is_resumed=False)
    marks = marks_of(lab.catalog.load_table(TABLE))
    assert lab.catalog.load_table(TABLE).properties[ABANDONED] == given_up

    (plan,) = plan_lake(lab.catalog, {}, [TABLE])
    Maintenance(lab.catalog, lambda: spark).carry_out([plan])

    assert plan.abandoned == [given_up]
    stored = lab.catalog.load_table(TABLE)
    assert ABANDONED not in stored.properties
    assert marks_of(stored) == marks
    assert set(stored.scan().to_arrow()["_run_id"].to_pylist()) == {first.run_id, second.run_id, unfinished}
    lab.assert_equal_to_source("orders", *COLUMNS)
    resumed = lab.load()["orders"]
    assert (resumed.status, resumed.run_id) == ("loaded", unfinished)
    lab.assert_equal_to_source("orders", *COLUMNS)
    assert all(one.is_equal for one in lab.checked())
    assert plan_lake(lab.catalog, {}, [TABLE])[0].abandoned == []
