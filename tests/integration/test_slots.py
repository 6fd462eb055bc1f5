"""The replication slots of followed databases as metrics: a real PostgreSQL is asked how much log it holds."""

from pathlib import Path

import pytest

from ingestion.bulk.dialects.postgres.connection import connected
from ingestion.bulk.dialects.postgres.log import prepare
from ingestion.bulk.sources import database
from ingestion.overview.slots import slots
from ingestion.settings import Settings
from tests.support.databases import TestPostgres

BLOCK = """
  {name}:
    dialect: postgres
    host: {host}
    port: {port}
    database: {database}
    user: {user}
    password: ${{BOOKS_PASSWORD}}
    modes: [cdc]
"""


def test_a_slot_that_nobody_reads_is_told_with_what_it_holds_and_a_database_that_is_away_without(
    postgres: TestPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = postgres.database()
    monkeypatch.setenv("BOOKS_PASSWORD", facts.password)
    ports = {"books": facts.port, "away": 1, "bare": facts.port, "unasked": 1}
    words = {"host": facts.host, "database": facts.database, "user": facts.user}
    blocks = "".join(BLOCK.format(name=name, port=port, **words) for name, port in ports.items())
    (tmp_path / "sources.yaml").write_text(f"sources:{blocks}", encoding="utf-8")
    settings = Settings(config_dir=tmp_path)
    books = database(tmp_path, "books")
    with connected(books) as connection:
        prepare(connection, books, [])
    with postgres.connect(facts.database) as connection:
        connection.execute("create table titles (id int primary key)")
        connection.execute("insert into titles select generate_series(1, 1000)")

    away, bare, found = slots(settings, ["raw.books_titles", "raw.away_orders", "raw.bare_orders"])

    unknown = {"is_active": None, "held_bytes": None}
    assert away == {"source": "away", **unknown}
    assert bare == {"source": "bare", **unknown}
    assert (found["source"], found["is_active"]) == ("books", False)
    assert found["held_bytes"] > 0
