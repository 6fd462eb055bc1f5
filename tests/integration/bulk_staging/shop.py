"""A generated shop of a test's own, loaded into a lake of its own and staged by the project's models."""

from dataclasses import dataclass
from typing import Any

import psycopg

from ingestion.bulk.declared import ensure_declared
from ingestion.bulk.dialects.base import Dialect, by_name
from ingestion.bulk.load import Load, Options
from ingestion.bulk.model import Chunk
from ingestion.bulk.progress import Board
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.staged import StagedTable, staged_table
from ingestion.bulk.table_load import Outcome
from ingestion.settings import Settings
from ingestion.stack import Facts
from ingestion.stack.connect import connect_postgres
from tests.support.lake import Lake


class _Stopping(Board):
    """Stops its load when the first rows of a table after some others are read."""

    def __init__(self, load: Load, batches: int) -> None:
        super().__init__()
        self._load, self._left = load, batches

    def advance(self, table: str, rows: int) -> None:
        self._left -= 1
        if self._left <= 0:
            self._load.stop.set()
        super().advance(table, rows)


@dataclass
class Shop:
    """A shop's database and the lake it goes to; chunks of a few rows, so that a copy has many commits."""

    facts: Facts
    lake: Lake
    source: DatabaseSource

    @classmethod
    def of(cls, facts: Facts, settings: Settings, **more: Any) -> "Shop":
        """`more` is what else the source's block in config/sources.yaml says."""
        places: dict[str, Any] = {"host": facts.host, "port": facts.port, "database": facts.database}
        secrets: dict[str, Any] = {"user": facts.user, "password": facts.password}
        source = DatabaseSource.model_validate(
            {"name": "shop", "dialect": "postgres", "chunk_bytes": 16 * 1024, **places, **secrets, **more}
        )
        lake = Lake(settings)
        ensure_declared(lake.catalog)
        return cls(facts, lake, source)

    @property
    def dialect(self) -> Dialect:
        return by_name("postgres")

    def connect(self) -> psycopg.Connection:
        return connect_postgres(self.facts)

    def sql(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with self.connect() as connection, connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())

    def scalar(self, statement: str) -> Any:
        """The one value of a query."""
        with self.connect() as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]

    def load(self, stop_after: int | None = None, **options: Any) -> dict[str, Outcome]:
        """One load; outcomes by the table's name. `stop_after`: it is stopped after so many batches."""
        load = Load(self.lake.settings, self.source, Options(**options))
        with _Stopping(load, stop_after) if stop_after else Board() as board:
            return {one.source_table.split(".")[-1]: one for one in load.run(board)}

    def build(self, *words: str) -> None:
        """The shop's models and their tests, unless `words` say otherwise."""
        self.lake.dbt("build", "--indirect-selection", "cautious", "--select", *(words or ("staging.shop",)))

    def tables(self) -> dict[str, StagedTable]:
        return {table.name: staged_table("shop", table) for table in self.dialect.tables(self.source)}

    def staged(self, name: str) -> list[dict[str, Any]]:
        """All rows of a staging model, deleted ones too."""
        return self.lake.rows(f"staging.{self.tables()[name].model}")

    def staged_row(self, name: str, key: str) -> dict[str, Any]:
        """The row of a staging model whose key, of one column, is `key`."""
        (column,) = self.tables()[name].key
        (row,) = [row for row in self.staged(name) if row[column] == key]
        return row

    def versions(self, history: str, column: str, key: str) -> list[dict[str, Any]]:
        """The versions of one row in a snapshot of dbt, oldest first."""
        rows = [row for row in self.lake.rows(f"snapshots.{history}") if row[column] == key]
        return sorted(rows, key=lambda row: row["valid_from_at"])

    def living(self, name: str) -> list[dict[str, Any]]:
        """The living rows of a staging model, by the source's column names, in the order of the key."""
        table = self.tables()[name]
        rows = [row for row in self.staged(name) if not row["is_deleted"]]
        return in_order(table, [{one.column.name: row[one.name] for one in table.columns} for row in rows])

    def in_source(self, name: str) -> list[dict[str, Any]]:
        """The rows of the source's table as they are now, as raw has them, ids as text."""
        table = self.tables()[name]
        as_text = {one.column.field.name for one in table.columns if one.expression.startswith("cast(")}
        with self.dialect.snapshot(self.source, 1) as snapshot, snapshot.reader() as reader:
            batches = list(reader.read(table.table, Chunk("all", "", 0, 0)))
        rows = [row for batch in batches for row in batch.to_pylist()]
        names = {one.column.field.name: one.column.name for one in table.columns}
        return in_order(
            table,
            [
                {names[raw]: str(value) if raw in as_text else value for raw, value in row.items() if raw in names}
                for row in rows
            ],
        )


def in_order(table: StagedTable, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by their key."""
    return sorted(rows, key=lambda row: tuple(str(row[name]) for name in table.table.key))
