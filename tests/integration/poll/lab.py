"""One polled database: its connections, its poller, and what came of it in raw."""

import shutil
from collections import Counter
from itertools import count
from typing import Any

from ingestion.bulk.sources import DatabaseSource
from ingestion.lake.batch import Counts
from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import drain
from ingestion.poll.bus import Bus, JournalBus
from ingestion.poll.poller import Poller
from ingestion.poll.run import Run
from ingestion.poll.tables import polled_tables
from ingestion.settings import Settings
from ingestion.webhooks.journal import Delivery
from tests.support.databases import TestServer
from tests.support.sources import source_of
from tests.support.webhook_server import journalled

_numbers = count(1)


class PollLab:
    """An empty database, polled as source `lab<n>` into the lake of `settings`."""

    def __init__(self, server: TestServer, dialect: str, settings: Settings, overlap: float | None = 0) -> None:
        self.server, self.dialect, self.settings, self.overlap = server, dialect, settings, overlap
        self.facts = server.database()
        self.catalog = open_catalog(settings)
        self.connections: list[Any] = []
        self.main = self.connect()
        self.again()

    def again(self, rows: int = 50_000, **table: Any) -> None:
        """A source of another name over the same database; `table` are the options of its table `events`."""
        self.name, self.page = f"lab{next(_numbers)}", rows
        self.table = {"cursor": "at", **table}

    @property
    def source(self) -> DatabaseSource:
        poll = {"seconds": 0.2, "overlap_seconds": self.overlap, "rows": self.page}
        more = {"modes": ("poll",), "tables": {"events": self.table}, "poll": poll}
        return source_of(self.facts, self.dialect, self.name, **more)

    @property
    def raw_name(self) -> str:
        return f"raw.{self.name}_events"

    def connect(self) -> Any:
        """An autocommit connection, closed with the lab."""
        found: Any = self.server.connect(self.facts.database)
        self.connections.append(found)
        return found

    def leave(self, connection: Any) -> None:
        """Close it before the lab is closed."""
        self.connections.remove(connection)
        connection.close()

    def sql(self, *statements: str, on: Any = None) -> list[tuple[Any, ...]]:
        """Run statements; the rows of the last."""
        with (on or self.main).cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def bus(self, raw_name: str, topic: str) -> Bus:
        return JournalBus(self.settings.journal_dir, raw_name)

    def run(self) -> Run:
        """Close it."""
        return Run(self.catalog, self.source, self.bus, 1_000_000)

    def poller(self, source: DatabaseSource | None = None) -> Poller:
        """Of the one table; close it."""
        source = source or self.source
        (polled,) = polled_tables(self.source)
        found = Poller(self.catalog, source, polled, self.bus(polled.table.raw_name, polled.topic))
        found.follow(polled)
        return found

    def waiting(self) -> list[Delivery]:
        """What the journal holds."""
        return journalled(self.settings.journal_dir)

    def lose_journal(self) -> None:
        for path in self.settings.journal_dir.glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def drain(self) -> Counts:
        return drain(self.settings)

    def rows(self) -> list[dict[str, Any]]:
        """All of the raw table."""
        found: list[dict[str, Any]] = self.catalog.load_table(self.raw_name).scan().to_arrow().to_pylist()
        return found

    def assert_each_once(self, *columns: str) -> None:
        """Raw has each row of the source as it is now, once."""
        stored = Counter(tuple(row[name] for name in columns) for row in self.rows())
        there = Counter(self.sql(f"select {', '.join(columns)} from events"))
        assert stored == there, f"missing {there - stored}, too many {stored - there}"

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        self.catalog.close()
