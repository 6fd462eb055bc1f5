"""A database of a test's own, the settings that name it as source `lab`, and its loads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pymysql
import yaml
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import Dialect, by_name
from ingestion.bulk.load import Load, Options
from ingestion.bulk.marks import newest_complete
from ingestion.bulk.model import SourceTable
from ingestion.bulk.progress import Board
from ingestion.bulk.reconcile import Checked, Reconciliation, run_filter
from ingestion.bulk.sources import DatabaseSource, database
from ingestion.bulk.table_load import Outcome
from ingestion.settings import Settings
from ingestion.stack import Facts
from tests.support.loads import stopped_load

CHUNK_BYTES = 128 * 1024
_OTHERS = {  # what ends or names the connections of loads to the asking one's database
    "postgres": "select pg_terminate_backend(pid) from pg_stat_activity "
    "where application_name = 'frazil' and datname = current_database() and pid <> pg_backend_pid()",
    "mysql": "select id from information_schema.processlist where db = database() and id <> connection_id()",
}


@dataclass
class Lab:
    """One empty database, `settings` with a lake and a config/sources.yaml of its own."""

    dialect_name: str
    facts: Facts
    settings: Settings
    catalog: Catalog

    @property
    def source(self) -> DatabaseSource:
        return database(self.settings.config_dir, "lab")

    @property
    def dialect(self) -> Dialect:
        return by_name(self.dialect_name)

    def configure(self, **changed: Any) -> None:
        """Write config/sources.yaml, with `changed` in the place of what is right."""
        facts = self.facts
        block = {
            "dialect": self.dialect_name,
            "host": facts.host,
            "port": facts.port,
            "database": facts.database,
            "user": facts.user,
            "password": "${LAB_PASSWORD}",
            "chunk_bytes": CHUNK_BYTES,
            "retry_backoff": 0.05,
            "connect_timeout": 3,
            **changed,
        }
        os.environ["LAB_PASSWORD"] = facts.password
        self.settings.config_dir.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({"sources": {"lab": block}})
        (self.settings.config_dir / "sources.yaml").write_text(text, encoding="utf-8")

    def connect(self) -> Any:
        """An autocommit connection to the database."""
        facts = self.facts
        names: dict[str, Any] = {"user": facts.user, "password": facts.password, "autocommit": True}
        if self.dialect_name == "postgres":
            return psycopg.connect(host=facts.host, port=facts.port, dbname=facts.database, **names)
        return pymysql.connect(host=facts.host, port=facts.port, database=facts.database, **names)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements one by one; the rows of the last."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def cut(self, which: str = "true") -> int:
        """Cut the loads' connections for which SQL's `which` holds; returns how many there were."""
        found = self.sql(f"{_OTHERS[self.dialect_name]} and {which}")
        if self.dialect_name == "mysql":
            for (number,) in found:
                with suppress(pymysql.err.OperationalError):  # it went by itself
                    self.sql(f"kill {number}")
        return len(found)

    def orders(self, rows: int) -> None:
        """A table with a key and awkward text, filled."""
        self.sql(
            "create table orders (id bigint primary key, note varchar(200), amount decimal(12,2), qty integer)",
            f"insert into orders {self.series(rows)}",
        )
        self.analyze("orders")

    def analyze(self, name: str) -> None:
        """Let the server know how large the table is: chunks are planned by its estimates."""
        self.sql(f"analyze {'table ' if self.dialect_name == 'mysql' else ''}{name}")

    def series(self, rows: int, first: int = 1) -> str:
        """A select of rows for `orders`."""
        last = first + rows - 1
        if self.dialect_name == "postgres":
            note = "case i % 7 when 0 then null when 1 then '' else repeat('snow, ' || chr(10) || i, 5) end"
            columns = f"i as id, {note} as note, i / 7.0 as amount, i % 100 as qty"
            return f"select {columns} from generate_series({first}, {last}) i"
        note = "case seq % 7 when 0 then null when 1 then '' else repeat(concat('snow, ', char(10), seq), 5) end"
        return f"select seq as id, {note} as note, seq / 7.0 as amount, seq % 100 as qty from seq_{first}_to_{last}"

    def load(self, **options: Any) -> dict[str, Outcome]:
        """One load in this process; outcomes by the table's name."""
        with Board() as board:
            found = Load(self.settings, self.source, Options(**options)).run(board)
        return {one.source_table.split(".")[-1]: one for one in found}

    def stopped(self, **options: Any) -> Outcome:
        """Load the one table there is, chunk by chunk, and stop when some of it is committed."""
        return stopped_load(self.settings, self.source, parallel_tables=1, **options)

    def tables(self) -> dict[str, SourceTable]:
        return {table.name: table for table in self.dialect.tables(self.source)}

    def rows(self, name: str, run_id: str | None = None) -> pa.Table:
        """The rows of one copy, the newest complete one unless named."""
        stored = self.catalog.load_table(f"raw.lab_{name}")
        if run_id is None:
            newest = newest_complete(stored)
            assert newest is not None
            run_id = newest[0]
        return stored.scan(row_filter=run_filter(run_id)).to_arrow()

    def checked(self, *, is_now: bool = False) -> list[Checked]:
        """Reconcile every table."""
        with self.dialect.snapshot(self.source, 1) as snapshot, snapshot.reader() as reader:
            work = Reconciliation(self.catalog, self.source, self.dialect, reader)
            return [one for table in self.tables().values() for one in work.check(table, is_now=is_now)]

    def assert_equal_to_source(self, name: str, *columns: str) -> None:
        """Every row of the newest copy is the source's as it is now, once."""
        lake = self.rows(name)
        stored = sorted(zip(*(lake[column].to_pylist() for column in columns), strict=True), key=repr)
        assert stored == sorted(self.sql(f"select {', '.join(columns)} from {name}"), key=repr)
        events = lake["_event_id"].to_pylist()
        assert len(set(events)) == len(events)
        assert None not in events


@contextmanager
def lab_of(dialect: str, facts: Facts, settings: Settings, catalog: Catalog, folder: Path) -> Iterator[Lab]:
    """A lab whose configuration is in `folder`, which child processes see too."""
    made = Lab(dialect, facts, settings.model_copy(update={"config_dir": folder / "config"}), catalog)
    made.configure()
    yield made
