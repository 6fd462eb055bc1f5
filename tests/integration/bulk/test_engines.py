"""Both engines write the same rows into the same kind of table, from one snapshot."""

import threading

import pytest
from pyspark.sql import SparkSession

from tests.integration.bulk.lab import Lab
from tests.integration.bulk.test_consistency import assert_loaded_under_writers
from tests.integration.bulk.test_kill import COLUMNS
from tests.support.awkward import mysql, postgres

pytestmark = pytest.mark.spark
OF_THE_LOAD = {"_loaded_at", "_run_id", "_source_at", "_position"}  # and the place in the log in `_event_id`


def contents(lab: Lab, name: str, run_id: str | None) -> list[str]:
    """The rows of a copy but for what differs from load to load, as text: it tells -0.0 and NaN apart."""
    rows = lab.rows(name, run_id).to_pylist()
    kept = [{key: value for key, value in row.items() if key not in OF_THE_LOAD} for row in rows]
    for row in kept:
        row["_event_id"] = row["_event_id"].rsplit(":", 1)[1]
    return sorted(map(repr, kept))


def test_both_engines_give_equal_tables_of_awkward_values(lab: Lab, spark: SparkSession) -> None:
    kind = postgres if lab.dialect_name == "postgres" else mysql
    with lab.connect() as connection:
        for statement in getattr(kind, "PREPARE", ()):
            connection.execute(statement)
        kind.create(connection)

    copied = lab.load(engine="copy")["awkward"]
    read = lab.load(engine="jdbc", is_resumed=False)["awkward"]

    assert (copied.status, read.status) == ("loaded", "loaded"), (copied.error, read.error)
    assert contents(lab, "awkward", read.run_id) == contents(lab, "awkward", copied.run_id)
    assert read.out_of_range == copied.out_of_range > 0
    assert all(one.is_equal for one in lab.checked(is_now=True))


@pytest.mark.parametrize("key", ["ratio", "single", "day", "at, amount", "name, is_new", "code, ratio", "tiny"])
def test_both_engines_give_a_row_the_same_identity(lab: Lab, spark: SparkSession, key: str) -> None:
    code = "bytea" if lab.dialect_name == "postgres" else "varbinary(20)"
    single = "real" if lab.dialect_name == "postgres" else "float"
    lab.sql(
        f"create table keyed (ratio double precision, single {single}, day date, at timestamp(6), "
        f"tiny decimal(38, 20), amount decimal(10, 4), name varchar(30), is_new boolean, "
        f"code {code}, primary key ({key}))",
        "insert into keyed values (0.1, 0.1, '0999-12-31', '1999-12-31 23:59:59.5', 0, 1, 'ß | 雪', true, 'a')",
        "insert into keyed values (-1e-300, -3, '2026-01-01', '2001-01-01', 0.00000000000000000001, 0, '', false, '')",
        "insert into keyed values (1e22, 5e8, '9999-12-31', '2026-01-02 03:04:05.000001', -7, -1.5, 'a', true, 'b')",
    )

    copied, read = (lab.load(engine=engine, is_resumed=False)["keyed"] for engine in ("copy", "jdbc"))

    assert (copied.status, read.status) == ("loaded", "loaded"), (copied.error, read.error)
    assert contents(lab, "keyed", read.run_id) == contents(lab, "keyed", copied.run_id)


@pytest.mark.parametrize("policy", ["keep_text", "null", "clamp"])
def test_both_engines_count_values_out_of_range(lab: Lab, spark: SparkSession, policy: str) -> None:
    far = "infinity" if lab.dialect_name == "postgres" else "0000-00-00"
    days(lab, far)
    lab.configure(out_of_range=policy, chunk_bytes=4096)

    copied, read = (lab.load(engine=engine, is_resumed=False)["days"] for engine in ("copy", "jdbc"))

    assert (copied.out_of_range, read.out_of_range) == (40, 40), (copied.error, read.error)
    assert contents(lab, "days", read.run_id) == contents(lab, "days", copied.run_id)


def test_spark_breaks_the_contract_where_the_policy_says_fail(lab: Lab, spark: SparkSession) -> None:
    days(lab, "-infinity" if lab.dialect_name == "postgres" else "0000-00-00")
    lab.configure(out_of_range="fail")

    read = lab.load(engine="jdbc")["days"]

    assert (read.status, read.is_contract_broken, read.attempts) == ("failed", True, 1), read.error
    assert "set out_of_range: keep_text" in str(read.error)
    assert lab.catalog.load_table("raw.lab_days").scan().count() == 0


def days(lab: Lab, far: str) -> None:
    """A table of 200 rows, of which 40 have a day that no calendar has."""
    if lab.dialect_name == "mysql":
        with lab.connect() as connection, connection.cursor() as cursor:
            cursor.execute("set session sql_mode = 'ALLOW_INVALID_DATES'")
            cursor.execute("create table days (id integer primary key, day date, moment datetime)")
            of_five = f"case seq %% 5 when 0 then '{far}' else '2026-01-01' end".replace("%%", "%")
            cursor.execute(f"insert into days select seq, {of_five}, '2026-01-01' from seq_1_to_200")
    else:
        of_five = f"case i % 5 when 0 then '{far}'::date else '2026-01-01' end"
        lab.sql(
            "create table days (id integer primary key, day date, moment timestamp)",
            f"insert into days select i, {of_five}, '2026-01-01' from generate_series(1, 200) i",
        )
    lab.analyze("days")


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


def test_spark_under_four_writers_reads_the_source_at_the_loads_snapshot(pg: Lab, spark: SparkSession) -> None:
    assert_loaded_under_writers(pg, "jdbc")


def test_spark_whose_connection_is_cut_reads_again_in_the_same_snapshot(
    pg: Lab, spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    pg.orders(20_000)
    stop = threading.Event()
    cuts: list[int] = []

    def cut_once() -> None:
        """Until one has met a reading: a connection may be done just then."""
        while not stop.is_set() and "load_retried" not in caplog.messages:
            cuts.append(pg.cut("query like '% as c0%'"))

    cutting = threading.Thread(target=cut_once)
    cutting.start()
    outcome = pg.load(engine="jdbc")["orders"]
    stop.set()
    cutting.join()

    assert any(cuts), "no connection of Spark was seen"
    assert (outcome.status, outcome.rows, outcome.consistency) == ("loaded", 20_000, "snapshot"), outcome.error
    assert outcome.attempts > 1
    pg.assert_equal_to_source("orders", *COLUMNS)
    assert all(one.is_equal for one in pg.checked())
