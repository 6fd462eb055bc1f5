"""P4: a value that comes by the log is the value that a copy brings, type by type, by a real server and Debezium."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.awkward import mysql, postgres
from tests.support.debezium import Followed

# What the log does not tell: it has no rows of arrays in arrays, and no times after 294247. Such values are told from
# others in `_raw_overflow` and repaired by a copy.
_POSTGRES_LEFT_OUT = {"int_matrix", "timestamp_far"}
_POSTGRES_ZERO = {"interval_infinity", "interval_minus_infinity"}  # Debezium takes intervals without an end for none
# Debezium gives null for a date of zeros, stops at one that is in no month, and cannot read tables with inet4 or inet6.
_MARIADB_NULL = {"date_zero", "date_no_day", "date_year_zero", "datetime_zero", "datetime_no_month"}
_MARIADB_CANNOT = {"date_february_31", "inet4_host", "inet6_host"}


def _both(found: Followed, settings: Settings, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of the awkward table by the log, and by a copy in another lake."""
    deadline = time.monotonic() + 60
    by_log: list[dict[str, Any]] = []
    while len(by_log) < 2 and time.monotonic() < deadline:
        found.drain(settings)
        by_log = _rows(settings, found)
    other = Settings(home=folder / "other")
    with Board() as board:
        [outcome] = Load(other, found.source, Options()).run(board)
    assert outcome.status == "loaded", outcome
    return by_log, _rows(other, found)


def _rows(settings: Settings, found: Followed) -> list[dict[str, Any]]:
    catalog = open_catalog(settings)
    name = f"raw.{found.source.name}_awkward"
    stored = catalog.load_table(name).scan().to_arrow().to_pylist() if catalog.table_exists(name) else []
    catalog.close()
    return sorted((row for row in stored if row["_op"] != "d"), key=lambda row: int(row["id"]))


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    names = [name for name in one if not name.startswith("_")]
    kept, other_kept = dict(one["_raw_overflow"] or []), dict(other["_raw_overflow"] or [])
    return {name for name in names if repr(one[name]) != repr(other[name]) or kept.get(name) != other_kept.get(name)}


def test_postgresql_s_values_by_the_log_are_those_of_a_copy(
    followed_postgres: Callable[..., tuple[Followed, Any]], settings: Settings, tmp_path: Path
) -> None:
    found, connection = followed_postgres(*postgres.PREPARE, "create table awkward_form (id int)")
    connection.execute(b"drop table awkward_form")
    postgres.create(connection)
    connection.execute(f'alter publication "frazil_{found.source.name}" add table awkward'.encode())
    connection.execute(b"delete from awkward")
    values = ", ".join(case.sql for case in postgres.CASES)
    connection.execute(f"insert into awkward values (1, {values}), (2{', null' * len(postgres.CASES)})".encode())

    (full, empty), (full_copy, empty_copy) = _both(found, settings, tmp_path)

    assert len(postgres.CASES) >= 70
    assert _differing(full, full_copy) == _POSTGRES_LEFT_OUT | _POSTGRES_ZERO
    assert {full[name] for name in _POSTGRES_ZERO} == {"PT0S"}
    assert dict(full["_raw_overflow"]).keys() >= _POSTGRES_LEFT_OUT
    assert _differing(empty, empty_copy) == set()


def test_mariadb_s_values_by_the_log_are_those_of_a_copy(
    followed_mariadb: Callable[..., tuple[Followed, Any]], settings: Settings, tmp_path: Path
) -> None:
    cases = tuple(case for case in mysql.CASES if case.name not in _MARIADB_CANNOT)
    found, connection = followed_mariadb("create table first (id int primary key)")
    mysql.create(connection, cases=cases)
    with connection.cursor() as cursor:
        cursor.execute("drop table first")

    (full, empty), (full_copy, empty_copy) = _both(found, settings, tmp_path)

    assert len(cases) >= 70
    assert _differing(full, full_copy) == _MARIADB_NULL
    assert {full[name] for name in _MARIADB_NULL} == {None}
    assert _differing(empty, empty_copy) == set()
