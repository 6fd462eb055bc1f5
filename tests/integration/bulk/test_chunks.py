"""The chunks of a table hold each of its rows once, whatever its key and its form."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.sources import DatabaseSource
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.sources import source_of

SMALL = 16 * 1024
_KEYS = {  # of 3,000 rows, by the name of their table
    "plain": "i as id",
    "composite": "i % 7 as b, i as a, i::text as id",
    "skewed": "case when i < 2900 then i else i * 1000000::bigint end as id",
    "words": "chr(65 + i % 58) || '''\\ é' || i as id",
    "uuids": "md5(i::text)::uuid as id",
    "bytes": "decode(md5(i::text), 'hex') as id",
    "moments": "timestamptz '2024-01-01' + i * interval '1.5 s' as id",
    "Odd \"T', x": "i as id",
}
POSTGRES_KEYS = {"composite": "b, a"}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read(source: DatabaseSource, name: str, by_key: bool) -> tuple[SourceTable, list[Chunk], Counter[object]]:
    dialect = by_name(source.dialect)
    table = next(one for one in dialect.tables(source) if one.name == name)
    with dialect.snapshot(source, 1) as snapshot, snapshot.reader() as reader:
        chunks = dialect.chunks(reader, table, SMALL, by_key=by_key)
        found = Counter(
            one for chunk in chunks for batch in reader.read(table, chunk) for one in batch["id"].to_pylist()
        )
    return table, chunks, found


@pytest.fixture(scope="module")
def shop(postgres: TestPostgres) -> DatabaseSource:
    facts = postgres.database()
    with postgres.connect(facts.database) as connection:
        for name, columns in _KEYS.items():
            rows = f"select {columns}, repeat('x', 50) as pad from generate_series(1, 3000) i"
            connection.execute(f"create table {_quoted(name)} as {rows}".encode())
            key = POSTGRES_KEYS.get(name, "id")
            connection.execute(f"alter table {_quoted(name)} add primary key ({key})".encode())
        connection.execute(
            "create table parts (id int, day date, pad text, primary key (id, day)) partition by range (day)"
        )
        connection.execute("create table parts_1 partition of parts for values from ('2024-01-01') to ('2024-02-01')")
        connection.execute("create table parts_2 partition of parts default partition by hash (id)")
        connection.execute("create table parts_2a partition of parts_2 for values with (modulus 2, remainder 0)")
        connection.execute('create table "Parts 2b" partition of parts_2 for values with (modulus 2, remainder 1)')
        connection.execute(
            "insert into parts select i, date '2024-01-01' + i % 60, repeat('x', 50) from generate_series(1, 3000) i"
        )
        connection.execute("create table parent (id int primary key)")
        connection.execute("create table child (pad text) inherits (parent)")
        connection.execute("insert into parent values (1)")
        connection.execute("insert into child values (2, 'x')")
        connection.execute("create table keyless (id int)")
        connection.execute("create table empty (id int primary key)")
        connection.execute("analyze")
    return source_of(facts, "postgres")


@pytest.mark.parametrize("name", [*_KEYS, "parts"])
@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by pages"])
def test_postgresql_chunks_hold_each_row_once(shop: DatabaseSource, name: str, by_key: bool) -> None:
    _, chunks, found = _read(shop, name, by_key)

    assert len(chunks) > 5
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert (len(found), set(found.values())) == (3000, {1})


def test_a_skewed_key_makes_chunks_of_like_size(shop: DatabaseSource) -> None:
    dialect = by_name("postgres")
    table = next(one for one in dialect.tables(shop) if one.name == "skewed")

    with dialect.snapshot(shop, 1) as snapshot, snapshot.reader() as reader:
        chunks = dialect.chunks(reader, table, SMALL, by_key=True)
        sizes = [sum(batch.num_rows for batch in reader.read(table, chunk)) for chunk in chunks]

    assert max(sizes) <= 2 * sum(sizes) / len(sizes)


def test_rows_of_tables_that_inherit_are_read_once(shop: DatabaseSource) -> None:
    found = [_read(shop, name, by_key)[2] for name in ("parent", "child") for by_key in (True, False)]

    assert found == [Counter({1: 1}), Counter({1: 1}), Counter({2: 1}), Counter({2: 1})]


@pytest.mark.parametrize("name", ["keyless", "empty"])
def test_what_cannot_be_split_is_one_chunk(shop: DatabaseSource, name: str) -> None:
    _, chunks, found = _read(shop, name, by_key=True)

    assert [chunk.predicate for chunk in chunks] == [""]
    assert found == Counter()


def test_a_table_that_grew_after_it_was_analysed_is_read_to_its_end(postgres: TestPostgres) -> None:
    facts = postgres.database()
    source = source_of(facts, "postgres")
    dialect = by_name("postgres")
    with postgres.connect(facts.database) as connection:
        connection.execute("create table grown (id int primary key)")
        connection.execute("insert into grown select generate_series(1, 100)")
        connection.execute("analyze")
        [table] = dialect.tables(source)
        connection.execute("insert into grown select generate_series(101, 20000)")

        with dialect.snapshot(source, 2) as snapshot, snapshot.reader() as reader:
            chunks = dialect.chunks(reader, table, SMALL, by_key=False)
            connection.execute("insert into grown select generate_series(20001, 30000)")
            rows = sum(batch.num_rows for chunk in chunks for batch in reader.read(table, chunk))

    assert rows == 20000


@pytest.mark.parametrize(
    ("columns", "key", "row"),
    [
        ("id int", "id", lambda i: f"({i}, 'x')"),
        ("id varchar(40) character set latin1", "id", lambda i: f"('{chr(65 + i % 26)}é {i}', 'x')"),
        ("id varbinary(20)", "id", lambda i: f"(unhex(md5({i})), 'x')"),
        ("id decimal(20,5)", "id", lambda i: f"({i / 8}, 'x')"),
        ("id datetime(6)", "id", lambda i: f"('2024-01-01' + interval {i} minute, 'x')"),
        ("id int, kind enum('z','a','m')", "kind, id", lambda i: f"({i}, {1 + i % 3}, 'x')"),
        ("id int, word varchar(20)", "word, id", lambda i: f"({i}, concat('o''\\\\', {i % 5}), 'x')"),
        ("id bigint unsigned", "id", lambda i: f"({2**64 - 1 - i}, 'x')"),
    ],
    ids=["int", "latin text", "bytes", "decimal", "datetime", "enum and int", "text and int", "unsigned"],
)
def test_mariadb_chunks_hold_each_row_once(
    mariadb: TestMariaDb, columns: str, key: str, row: Callable[[int], str]
) -> None:
    facts = mariadb.database()
    numbers = list(range(2000))
    random.Random(1).shuffle(numbers)
    with mariadb.connect(facts.database) as connection, connection.cursor() as cursor:
        cursor.execute("set session sql_mode = 'NO_BACKSLASH_ESCAPES'")
        cursor.execute(f"create table `Odd ``t` ({columns}, pad varchar(200), primary key ({key}))")
        cursor.execute(f"insert into `Odd ``t` values {', '.join(row(i) for i in numbers)}")
        cursor.execute("update `Odd ``t` set pad = repeat('x', 150)")
        cursor.execute("analyze table `Odd ``t`")
        cursor.fetchall()

    _, chunks, found = _read(source_of(facts, "mysql"), "Odd `t", by_key=True)

    assert len(chunks) > 5
    assert (len(found), set(found.values())) == (2000, {1})
