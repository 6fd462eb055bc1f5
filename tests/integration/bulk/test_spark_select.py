"""What PostgreSQL counts for Spark is exact at every time that raw can hold."""

import datetime as dt
from itertools import product

from ingestion.bulk.model import Chunk
from tests.integration.bulk.lab import Lab

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
DAYS = ("0001-01-01", "1582-10-15", "1899-12-31", "1900-01-01", "1969-12-31", "1970-01-01", "2040-12-31", "2041-01-01")
TIMES = ("00:00:00", "00:00:00.000001", "12:34:56.654321", "23:59:59.499999", "23:59:59.999999")
WHOLE = Chunk("all", "", 0, 0)


def test_days_and_microseconds_are_counted_exactly(pg: Lab) -> None:
    moments = [dt.datetime.fromisoformat(f"{day}T{time}+00:00") for day, time in product((*DAYS, "9999-12-31"), TIMES)]
    pg.sql("create table moments (at timestamptz, local timestamp, day date)")
    with pg.connect() as connection, connection.cursor() as cursor:
        rows = [(one, one.replace(tzinfo=None), one.date()) for one in moments]
        cursor.executemany("insert into moments values (%s, %s, %s)", rows)
        cursor.execute("insert into moments values (null, null, null), ('infinity', '-infinity', '0044-03-15 BC')")

    with pg.dialect.snapshot(pg.source, 1) as snapshot, snapshot.reader() as reader:
        found = reader.fetch(pg.dialect.spark_select(pg.tables()["moments"], WHOLE))

    counted = {((one - EPOCH) // dt.timedelta(microseconds=1), (one - EPOCH).days) for one in moments}
    assert {row[:3] for row in found} == {*((micros, micros, days) for micros, days in counted), (None, None, None)}
    assert sum(row[3] is not None for row in found) == 1
