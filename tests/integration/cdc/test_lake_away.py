"""A lake that takes no rows for a while: the sink says so, waits, and brings every message once when it is back."""

import logging
import sqlite3
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.cdc.sink import Limits
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.disks import fill, small_disk
from tests.support.topics import Topic, at_work, until


def said(caplog: pytest.LogCaptureFixture, *words: str) -> int:
    return sum(record.getMessage() in words for record in caplog.records)


@pytest.mark.parametrize("leave", [0, 24 << 10])
def test_a_full_disk_is_waited_out(
    bus: TestBus, postgres: TestPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture, leave: int
) -> None:
    with small_disk(tmp_path, 96) as disk:
        catalog = open_catalog(Settings(home=disk / "home"))
        items = Topic(bus, postgres, catalog)
        items.put(range(10))
        items.drain()
        ballast = fill(disk, leave)

        with caplog.at_level(logging.WARNING), at_work(items.sink(Limits(seconds=0.1))):
            items.put(range(10, 20_000))
            until(lambda: said(caplog, "flush_failed") > 2, "the sink should say that it cannot write")
            ballast.unlink()
            until(lambda: len(items.ids()) == 20_000, "all rows should come")

        table = catalog.load_table(f"raw.{items.source.name}_items")
        in_table = {Path(task.file.file_path.removeprefix("file://")) for task in table.scan().plan_files()}
        on_disk = set((disk / "home" / "warehouse").rglob(f"raw/{items.source.name}_items/**/*.parquet"))
        assert items.ids() == list(range(20_000))
        assert on_disk == in_table, "failed tries must give their space back"
        assert items.drain().messages == 0
        catalog.close()


def test_a_catalog_that_does_not_answer_is_waited_for(
    bus: TestBus, postgres: TestPostgres, catalog: Catalog, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    items = Topic(bus, postgres, catalog)
    items.put(range(10))
    items.drain()
    other = sqlite3.connect(settings.home_dir / "catalog.db", isolation_level=None)

    with caplog.at_level(logging.WARNING), at_work(items.sink(Limits(seconds=0.1))):
        items.put([10])
        until(lambda: len(items.ids()) == 11, "the sink should be at work")
        other.execute("begin exclusive")
        items.put(range(11, 500))
        until(lambda: said(caplog, "flush_failed", "not_taken") > 0, "the sink should say that the lake is away")
        other.execute("rollback")
        until(lambda: len(items.ids()) == 500, "all rows should come")

    other.close()
    assert items.ids() == list(range(500))
    assert items.drain().messages == 0


def test_a_group_that_kafka_has_forgotten_is_gone_on_with_from_the_lake(
    bus: TestBus, postgres: TestPostgres, catalog: Catalog
) -> None:
    items = Topic(bus, postgres, catalog)
    items.put(range(10))
    items.drain()
    group = f"frazil-{items.source.name}"
    items.admin.delete_consumer_groups([group])[group].result()
    items.put(range(10, 15))

    done = items.drain()

    assert done.messages == 5
    assert items.ids() == list(range(15))
