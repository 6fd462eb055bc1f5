"""The hash of random rows is the same in the source's SQL and over what the reader gives."""

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.bulk import rowhash
from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.model import Chunk
from ingestion.bulk.sources import DatabaseSource
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.sources import source_of

RANDOM = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
COLUMNS = ("small", "big", "ratio", "short_ratio", "amount", "day", "moment", "word", "bytes")
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
        st.none() | st.decimals(-(10**12), 10**12, places=5),
        st.none() | st.dates(),
        st.none() | st.datetimes(),
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.none() | st.binary(max_size=40),
    ),
    min_size=1,
    max_size=30,
)


def _hashes(source: DatabaseSource) -> tuple[tuple[int, str], tuple[int, str], pa.Table]:
    dialect = by_name(source.dialect)
    [table] = dialect.tables(source)
    with dialect.snapshot(source, 1) as snapshot, snapshot.reader() as reader:
        rows = pa.Table.from_batches(list(reader.read(table, Chunk("all", "", 0, 0))))
        [(count, text)] = reader.fetch(dialect.row_hash(table, ""))
    lake = rowhash.total(rows, table.columns)
    return (int(count), str(text)), (lake.rows, lake.text), rows


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return isinstance(found, float) and (found, math.copysign(1, found)) == (wanted, math.copysign(1, wanted))
    return bool(found == wanted)


def _assert_rows(rows: pa.Table, written: Sequence[tuple[Any, ...]]) -> None:
    found = sorted(rows.to_pylist(), key=lambda row: row["id"])
    for row, wanted in zip(found, written, strict=True):
        assert [name for name, value in zip(COLUMNS, wanted, strict=True) if not _same(row[name], value)] == []


@pytest.fixture(scope="module")
def shop(postgres: TestPostgres) -> DatabaseSource:
    facts = postgres.database()
    with postgres.connect(facts.database) as connection:
        connection.execute(
            "create table samples (id int primary key, small int, big bigint, ratio float8, short_ratio float4, "
            "amount numeric(20,5), day date, moment timestamp, word text, bytes bytea)"
        )
    return source_of(facts, "postgres")


@pytest.fixture(scope="module")
def shopmaria(mariadb: TestMariaDb) -> DatabaseSource:
    facts = mariadb.database()
    with mariadb.connect(facts.database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "create table samples (id int primary key, small int, big bigint, ratio double, short_ratio float, "
            "amount decimal(20,5), day date, moment datetime(6), word longtext character set utf8mb4, bytes longblob)"
        )
    return source_of(facts, "mysql")


@RANDOM
@given(rows=ROWS)
def test_postgresql_and_the_lake_agree_on_random_rows(
    postgres: TestPostgres, shop: DatabaseSource, rows: list[tuple[Any, ...]]
) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute("truncate samples")
        marks = ", ".join(["%s"] * 10)
        connection.cursor().executemany(
            f"insert into samples values ({marks})", [(number, *row) for number, row in enumerate(rows)]
        )

    source, lake, read = _hashes(shop)

    assert source == lake
    _assert_rows(read, rows)


@RANDOM
@given(rows=ROWS)
def test_mariadb_and_the_lake_agree_on_random_rows(
    mariadb: TestMariaDb, shopmaria: DatabaseSource, rows: list[tuple[Any, ...]]
) -> None:
    with mariadb.connect(shopmaria.database) as connection, connection.cursor() as cursor:
        cursor.execute("set names utf8mb4")
        cursor.execute("delete from samples")
        marks = ", ".join(["%s"] * 10)
        for number, row in enumerate(rows):
            cursor.execute(f"insert into samples values ({marks})", (number, *row))

    source, lake, read = _hashes(shopmaria)

    assert source == lake
    _assert_rows(read, rows)


@RANDOM
@given(rows=ROWS, seed=st.randoms(use_true_random=False))
def test_the_hash_of_a_table_does_not_depend_on_order_or_parts(
    postgres: TestPostgres, shop: DatabaseSource, rows: list[tuple[Any, ...]], seed: Any
) -> None:
    with postgres.connect(shop.database) as connection:
        connection.execute("truncate samples")
        marks = ", ".join(["%s"] * 10)
        connection.cursor().executemany(
            f"insert into samples values ({marks})", [(number, *row) for number, row in enumerate(rows)]
        )
    [table] = by_name("postgres").tables(shop)
    _, (_, whole), read = _hashes(shop)
    order = list(range(len(rows)))
    seed.shuffle(order)
    shuffled = read.take(pa.array(order))

    cut = len(rows) // 2
    parts = rowhash.total(shuffled.slice(0, cut), table.columns) + rowhash.total(shuffled.slice(cut), table.columns)

    assert parts.text == whole
