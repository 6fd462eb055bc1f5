"""A disk that fills up while the sink commits delays rows; it neither loses nor repeats any."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.errors import RetryableError
from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import Sink, drain
from ingestion.settings import Settings
from tests.support.disks import fill, free, small_disk
from tests.unit.lake.deliveries import column, contacts, journalled, order, repeated


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 96) as folder:
        yield folder


@pytest.fixture
def lake(disk: Path) -> Iterator[tuple[Settings, Catalog]]:
    """State and lake on the small disk."""
    settings = Settings(home=disk / "home")
    catalog = open_catalog(settings)
    yield settings, catalog
    catalog.close()


@pytest.mark.parametrize("leave", [0, 8 << 10, 24 << 10, 48 << 10, 80 << 10, 128 << 10])
def test_a_full_disk_is_waited_out(disk: Path, lake: tuple[Settings, Catalog], leave: int) -> None:
    settings, catalog = lake
    sink = Sink(settings)
    journalled(settings, [order(1), contacts(1)])
    list(sink.flushes())
    bodies = {str(number): os.urandom(300).hex() for number in range(100, 300)}
    journalled(settings, [order(int(number), note=text) for number, text in bodies.items()])
    journalled(settings, [contacts(number) for number in range(2, 12)])

    ballast = fill(disk, leave)
    room = []
    for _ in range(4):
        with pytest.raises(RetryableError):
            list(sink.flushes())
        room.append(free(disk))
    ballast.unlink()
    rows = sum(done.counts.rows for done in sink.flushes())

    sink.close()
    ids = column(catalog, "raw.shopify_orders", "id")
    events = column(catalog, "raw.hubspot_contacts", "_event_id")
    assert room[0] == room[-1], "failed tries must give their space back"
    assert rows > 0
    assert repeated(ids) == repeated(events) == {}
    assert len(ids) == 201
    assert len(events) == 22
    assert drain(settings).entries == 0
