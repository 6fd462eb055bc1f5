"""What an Oracle schema holds and what of it is not read, by answers as documented: no server was at hand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.dialects.oracle import discovery
from ingestion.bulk.selection import passed_over
from ingestion.bulk.sources import DatabaseSource

SOURCE = DatabaseSource(name="erp", dialect="oracle", database="ORCL", user="scott")
ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    discovery.TABLES: [("SCOTT", "CODES", 100, 5000), ("SCOTT", "ORDERS", 1000, 8192)],
    discovery.COLUMNS: [
        ("SCOTT", "CODES", "CODE", "VARCHAR2", None, None, "N"),
        ("SCOTT", "ORDERS", "ID", "NUMBER", 10, 0, "N"),
        ("SCOTT", "ORDERS", "SHAPE", "SDO_GEOMETRY", None, None, "Y"),
        ("SCOTT", "ORDERS", "OLD_NOTE", "LONG", None, None, "Y"),
    ],
    discovery.KEYS: [("SCOTT", "CODES", "P", "CODES_PK", "CODE", None, None, None)],
    discovery.OTHERS: [("SCOTT", "BASKET", "TEMPORARY TABLE"), ("SCOTT", "SEEN", "VIEW")],
}


class Answering:
    """A connection that knows some statements and their rows."""

    def __init__(self, answers: Mapping[str, list[tuple[Any, ...]]]) -> None:
        self._answers = answers
        self._found: list[tuple[Any, ...]] = []

    @contextmanager
    def cursor(self) -> Iterator["Answering"]:
        yield self

    def execute(self, sql: str) -> None:
        self._found = self._answers[sql]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._found


@pytest.fixture
def connection() -> Answering:
    return Answering({sql.format("'SCOTT'"): rows for sql, rows in ANSWERS.items()})


def test_a_table_that_is_its_own_index_is_read_by_its_key_and_its_overflow_is_not(connection: Answering) -> None:
    codes, _ = discovery.found(connection, SOURCE)

    assert (codes.name, codes.key, codes.bytes) == ("CODES", ("CODE",), 5000)
    assert "nvl(t.iot_type, 'IOT') = 'IOT'" in discovery.TABLES  # neither IOT_OVERFLOW nor IOT_MAPPING
    assert "nvl(t.num_rows, 0) * nvl(t.avg_row_len, 0)" in discovery.TABLES  # it has no blocks of its own


def test_columns_that_cannot_be_read_and_what_is_no_table_are_told(
    connection: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = by_name("oracle")
    tables = discovery.found(connection, SOURCE)
    monkeypatch.setattr(dialect, "left_out", lambda source: discovery.left_out(connection, source), raising=False)

    assert passed_over(SOURCE, dialect, tables, None, ()) == {
        "SCOTT.BASKET": "a temporary table: its rows are those of single sessions",
        "SCOTT.SEEN": "a view: its rows are in other tables",
        "SCOTT.ORDERS.SHAPE": "SQL has no text or bytes for type SDO_GEOMETRY",
        "SCOTT.ORDERS.OLD_NOTE": "LONG cannot be read in parts; long_columns is exclude",
    }
