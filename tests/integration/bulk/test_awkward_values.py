"""Every awkward value survives the readers exactly, and the source and the lake agree on its hash."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from ingestion.bulk import rowhash
from ingestion.bulk.dialects.base import Dialect, Reader, by_name
from ingestion.bulk.model import Chunk, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import ContractError
from tests.support.awkward import Case, expected_overflow, mysql, postgres, same
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.sources import source_of

DIALECTS = ("postgres", "mysql")
WHOLE = Chunk("all", "", 0, 0)


@dataclass(frozen=True)
class Filled:
    """A server's database that holds the awkward table, and how to change it."""

    dialect: Dialect
    source: DatabaseSource
    cases: tuple[Case, ...]
    execute: Callable[[str], object]


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest) -> Callable[[str], Filled]:
    made: dict[str, Filled] = {}

    def of(name: str) -> Filled:
        if name not in made:
            made[name] = _postgres(request) if name == "postgres" else _mysql(request)
        return made[name]

    return of


def _postgres(request: pytest.FixtureRequest) -> Filled:
    server: TestPostgres = request.getfixturevalue("postgres")
    facts = server.database()
    connection = server.connect(facts.database)
    request.addfinalizer(connection.close)
    for statement in postgres.PREPARE:
        connection.execute(statement.encode())
    postgres.create(connection)
    source = source_of(facts, "postgres")
    return Filled(by_name("postgres"), source, postgres.CASES, lambda sql: connection.execute(sql.encode()))


def _mysql(request: pytest.FixtureRequest) -> Filled:
    server: TestMariaDb = request.getfixturevalue("mariadb")
    facts = server.database()
    connection = server.connect(facts.database)
    request.addfinalizer(connection.close)
    mysql.create(connection)
    source = source_of(facts, "mysql")
    return Filled(by_name("mysql"), source, mysql.CASES, lambda sql: connection.cursor().execute(sql))


def _table(found: Filled, source: DatabaseSource | None = None) -> SourceTable:
    return next(table for table in found.dialect.tables(source or found.source) if table.name == "awkward")


def _read(reader: Reader, table: SourceTable, chunk: Chunk = WHOLE) -> pa.Table:
    return pa.Table.from_batches(list(reader.read(table, chunk)))


def _rows(found: Filled, source: DatabaseSource | None = None) -> tuple[SourceTable, list[dict[str, Any]]]:
    table = _table(found, source)
    with found.dialect.snapshot(found.source, 1) as snapshot, snapshot.reader() as reader:
        rows = sorted(_read(reader, table).to_pylist(), key=lambda row: int(row["id"]))
    return table, rows


@pytest.mark.parametrize("name", DIALECTS)
def test_every_awkward_value_arrives_exactly(filled: Callable[[str], Filled], name: str) -> None:
    found = filled(name)

    table, (full, empty) = _rows(found)

    raw_names = {column.name: column.field.name for column in table.columns}
    wrong = {
        case.name: (full[raw_names[case.name]], case.raw)
        for case in found.cases
        if not same(full[raw_names[case.name]], case.raw)
    }
    assert wrong == {}
    assert full["_raw_overflow"] == expected_overflow(found.cases)
    assert {value for key, value in empty.items() if key != "id"} == {None}


def test_there_are_enough_awkward_values() -> None:
    assert min(len(postgres.CASES), len(mysql.CASES)) >= 60


@pytest.mark.parametrize("name", DIALECTS)
def test_source_and_lake_agree_on_the_hash_of_awkward_rows(filled: Callable[[str], Filled], name: str) -> None:
    found = filled(name)
    table = _table(found)

    with found.dialect.snapshot(found.source, 1) as snapshot, snapshot.reader() as reader:
        rows = _read(reader, table)
        [(count, total)] = reader.fetch(found.dialect.row_hash(table, ""))
        keyed = reader.fetch(found.dialect.row_hashes(table, ""))

    assert (int(count), str(total)) == (2, rowhash.total(rows, table.columns).text)
    wanted = rowhash.each(rows, table.columns, table.key).to_pylist()
    assert sorted(tuple(row) for row in keyed) == sorted(tuple(row.values()) for row in wanted)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_changed_value_changes_the_hash(filled: Callable[[str], Filled], name: str) -> None:
    found = filled(name)
    table = _table(found)
    with found.dialect.snapshot(found.source, 1) as snapshot, snapshot.reader() as reader:
        rows = _read(reader, table)
    before = rowhash.total(rows, table.columns)

    same_for = []
    for number, column in enumerate(table.columns):
        flipped = rows.set_column(number, rows.schema.field(number), rows.column(number).take(pa.array([1, 0])))
        if rowhash.total(flipped, table.columns) == before:
            same_for.append(column.name)

    unchanged = {case.name for case in found.cases if case.raw is None}
    assert set(same_for) == unchanged


@pytest.mark.parametrize("name", DIALECTS)
def test_the_typed_select_keeps_the_same_text_as_the_reader(filled: Callable[[str], Filled], name: str) -> None:
    found = filled(name)
    table = _table(found)

    with found.dialect.snapshot(found.source, 1) as snapshot, snapshot.reader() as reader:
        rows = reader.fetch(found.dialect.select(table, WHOLE))

    full, empty = sorted(rows, key=lambda row: int(row[0]))
    kept = {case.name for case in found.cases if case.kept is not None}
    nulls = {column.name for column, value in zip(table.columns, full, strict=False) if value is None}
    assert nulls == kept
    assert json.loads(full[-1]) == dict(expected_overflow(found.cases) or [])
    assert set(empty[1:]) == {None}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("policy", ["null", "clamp"])
def test_source_and_lake_agree_under_another_policy(filled: Callable[[str], Filled], name: str, policy: str) -> None:
    found = filled(name)
    source = found.source.model_copy(update={"out_of_range": policy})

    table, (full, _) = _rows(found, source)
    with found.dialect.snapshot(source, 1) as snapshot, snapshot.reader() as reader:
        [(_, total)] = reader.fetch(found.dialect.row_hash(table, ""))
        hashed = rowhash.total(_read(reader, table), table.columns)

    assert hashed.text == str(total)
    overflow = dict(full["_raw_overflow"] or [])
    if policy == "null":
        assert overflow == {}
    else:
        no_nearest = {"NaN"} if name == "postgres" else {"0000-00-00", "0000-00-00 00:00:00"}
        assert no_nearest <= set(overflow.values())
        assert "infinity" not in overflow.values()


@pytest.mark.parametrize("name", DIALECTS)
def test_the_policy_fail_names_the_column_and_the_value(filled: Callable[[str], Filled], name: str) -> None:
    found = filled(name)
    source = found.source.model_copy(update={"out_of_range": "fail"})

    with pytest.raises(ContractError, match=r"awkward\..* does not fit .*set out_of_range: keep_text"):
        _rows(found, source)
