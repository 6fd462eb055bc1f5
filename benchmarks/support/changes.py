"""Parts of the benchmarks of the change stream: a followed database, its sink in a process, and what a reader sees."""

import multiprocessing
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.sink import Limits, Sink
from ingestion.lake.append import LOADED_AT_PROPERTY
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.debezium import Followed
from tests.support.sources import source_of

_COLUMNS = (
    "(id bigint primary key, customer_id bigint, status text, amount numeric(12,2), "
    "note text, created_at timestamptz default clock_timestamp(), updated_at timestamp)"
)


class Shop:
    """A database of some equal tables of 7 columns, followed or not; rows have numbers of their own in all of it."""

    def __init__(self, bus: TestBus, postgres: TestPostgres, tables: int = 1, *, register: bool = True) -> None:
        facts = postgres.database()
        self._connection: Any = postgres.connect(facts.database)
        self.tables = ["orders"] if tables == 1 else [f"orders{number:03d}" for number in range(tables)]
        for name in self.tables:
            self._connection.execute(f"create table {name} {_COLUMNS}".encode())
        self.source = source_of(facts, "postgres", bus.name("bench"), modes=("bulk", "cdc"))
        self.followed = Followed(bus, self.source)
        self.rows = 0
        if register:
            by_name("postgres").prepare_log(self.source)
            self.followed.register()

    def insert(self, count: int, table: str = "orders") -> None:
        """One transaction of so many new rows."""
        first, self.rows = self.rows + 1, self.rows + count
        sql = (
            f"insert into {table} (id, customer_id, status, amount, note, updated_at) "
            "select n, n % 1000, 'paid', n % 10000, 'note of order ' || n, now() "
            f"from generate_series({first}, {first + count - 1}) n"
        )
        self._connection.execute(sql.encode())

    def write(self, a_second: int, seconds: int) -> None:
        """So many transactions of one row a second, evenly, over the tables in turn."""
        started = time.perf_counter()
        for number in range(a_second * seconds):
            wait = started + number / a_second - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            self.insert(1, self.tables[number % len(self.tables)])

    def close(self) -> None:
        """Its connector is gone afterwards."""
        self.followed.unregister()
        self._connection.close()


def temporary_settings() -> Settings:
    """A lake of its own; the folder goes with the machine's temporary files."""
    settings = Settings(home=Path(tempfile.mkdtemp(prefix="frazil-bench-cdc-")))
    open_catalog(settings).close()
    return settings


@contextmanager
def sink_process(shop: Shop, settings: Settings, seconds: float = 1.0) -> Iterator[None]:
    """The sink in a process of its own, flushing so often; it is asked to end, and must have ended well."""
    words = (shop.source, shop.followed.bus.bootstrap, settings, seconds)
    process = multiprocessing.get_context("spawn").Process(target=_sink, args=words)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(60)
        if process.exitcode != 0:
            raise SystemExit(f"the sink ended with {process.exitcode}")


def _sink(source: DatabaseSource, bootstrap: str, settings: Settings, seconds: float) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    catalog = open_catalog(settings)
    sink = Sink(catalog, source, {"bootstrap.servers": bootstrap}, source.name, Limits(seconds=seconds))
    try:
        sink.run(stop.is_set)
    finally:
        sink.close()
        catalog.close()


class Reader:
    """What somebody who asks the catalog sees of the raw tables, and when each commit was first seen."""

    def __init__(self, shop: Shop, settings: Settings) -> None:
        self._head = f"{shop.source.name}_"
        self._catalog = sqlite3.connect(settings.home_dir / "catalog.db", timeout=30, check_same_thread=False)
        self._heads: dict[str, str] = {}
        self._records: dict[str, int] = {}
        self.seen: dict[str, list[tuple[int, float]]] = {}

    @property
    def records(self) -> int:
        """Rows of all tables at the last look."""
        return sum(self._records.values())

    def look(self) -> int:
        """Read the tables that changed; `seen` gets their load times and this moment. Returns the rows of all."""
        sql = "select table_name, metadata_location from iceberg_tables where table_namespace = 'raw'"
        for name, location in self._catalog.execute(sql).fetchall():
            if name.startswith(self._head) and self._heads.get(name) != location:
                metadata = msgspec.json.decode(Path(location.removeprefix("file://")).read_bytes())
                newest = max(metadata.get("snapshots", []), key=lambda one: one["sequence-number"], default=None)
                stamp = int(metadata["properties"].get(LOADED_AT_PROPERTY, 0))
                self._heads[name] = location
                if newest is not None:
                    self._records[name] = int(newest["summary"]["total-records"])
                    self.seen.setdefault(name, []).append((stamp, time.time()))
        return self.records

    @contextmanager
    def looking(self, every: float) -> Iterator[None]:
        """Look so often, beside what the block does."""
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(every):
                self.look()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def close(self) -> None:
        self._catalog.close()


def until(holds: Callable[[], bool], seconds: float, what: str, every: float = 0.01) -> None:
    """Wait for it, looking so often, or end the benchmark with what did not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"the benchmark waited {seconds:.0f} seconds for {what}")
        time.sleep(every)
