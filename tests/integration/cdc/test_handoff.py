"""From copies to the log under writers: nothing lost, nothing old on top of new, whenever copies are made."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.cdc.fold import folded
from ingestion.cdc.sink import Limits
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.databases import TestPostgres
from tests.support.debezium import Followed

Maker = Callable[..., tuple[Followed, Any]]
KEYS = 400


@contextmanager
def writers(postgres: TestPostgres, database: str, count: int = 3) -> Iterator[None]:
    """Transactions that overlap, some long, some given up: each row's version tells a missing or repeated change."""
    stop = threading.Event()

    def write(number: int) -> None:
        chance = Random(number)
        with postgres.connect(database) as connection:
            connection.autocommit = False
            while not stop.is_set():
                for _ in range(chance.randint(1, 5)):
                    key = number + count * chance.randrange(KEYS // count)
                    action = chance.random()
                    if action < 0.2:
                        connection.execute(f"delete from versions where id = {key}".encode())
                    else:
                        sql = (
                            "insert into versions values ({}, 1, {}) on conflict (id) do update set n = versions.n + 1"
                        )
                        connection.execute(sql.format(key, f"repeat('x', {chance.choice([10, 3000])})").encode())
                    time.sleep(chance.uniform(0, 0.003))
                connection.commit() if chance.random() < 0.9 else connection.rollback()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def load(settings: Settings, found: Followed) -> None:
    with Board() as board:
        [outcome] = Load(settings, found.source, Options(is_resumed=False)).run(board)
    assert outcome.status == "loaded", outcome


def source_rows(connection: Any) -> dict[int, tuple[int, int]]:
    rows = connection.execute(b"select id, n, length(body) from versions").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def lake_rows(catalog: Catalog, found: Followed) -> dict[int, tuple[int, int]]:
    rows = [
        row
        for part in folded(catalog.load_table(f"raw.{found.source.name}_versions"), ("id",))
        for row in part.to_pylist()
    ]
    return {row["id"]: (row["n"], len(row["body"])) for row in rows}


def settle(settings: Settings, found: Followed, connection: Any) -> None:
    """Until the lake says what the source says."""
    wanted = source_rows(connection)
    catalog = open_catalog(settings)
    deadline = time.monotonic() + 60
    while (lake := lake_rows(catalog, found)) != wanted and time.monotonic() < deadline:
        found.drain(settings)
    catalog.close()
    assert lake == wanted


def test_copies_made_while_the_log_is_followed_end_in_the_source_s_rows(
    followed_postgres: Maker, postgres: TestPostgres, settings: Settings
) -> None:
    table = "create table versions (id int primary key, n int, body text)"
    found, connection = followed_postgres(table, "alter table versions alter body set storage external", register=False)

    with writers(postgres, found.source.database):
        time.sleep(1)
        load(settings, found)
        found.register()
        sink = found.sink(settings, Limits(seconds=0.3))
        stop = threading.Event()
        following = threading.Thread(target=sink.run, args=(stop.is_set,))
        following.start()
        deadline = time.monotonic() + 60
        while not sink.totals.commits and time.monotonic() < deadline:
            time.sleep(0.1)
        for _ in range(3):
            load(settings, found)
            time.sleep(1.5)
        stop.set()
        following.join()
        sink.close()

    settle(settings, found, connection)
    assert sink.totals.seen > 0
    assert sink.totals.rejected == 0
