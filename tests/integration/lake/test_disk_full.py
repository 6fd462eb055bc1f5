"""A disk that fills up while the sink commits delays rows; it neither loses nor repeats any."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.errors import RetryableError
from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import Sink, drain
from ingestion.settings import Settings
from tests.unit.lake.deliveries import column, contacts, journalled, order, repeated

_SIZE = 96 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    yield folder
    # Lazily: what a failed flush left to the garbage collector may hold a file open for a moment longer.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def lake(small_disk: Path) -> Iterator[tuple[Settings, Catalog]]:
    """State and lake on the small disk."""
    settings = Settings(home=small_disk / "home")
    catalog = open_catalog(settings)
    yield settings, catalog
    catalog.close()


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, leave: int) -> Path:
    """Fill the disk but for `leave` bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free(folder) - leave)
    return ballast


@pytest.mark.parametrize("leave", [0, 8 << 10, 24 << 10, 48 << 10, 80 << 10, 128 << 10])
def test_a_full_disk_is_waited_out(small_disk: Path, lake: tuple[Settings, Catalog], leave: int) -> None:
    settings, catalog = lake
    sink = Sink(settings)
    journalled(settings, [order(1), contacts(1)])
    list(sink.flushes())
    bodies = {str(number): os.urandom(300).hex() for number in range(100, 300)}
    journalled(settings, [order(int(number), note=text) for number, text in bodies.items()])
    journalled(settings, [contacts(number) for number in range(2, 12)])

    ballast = fill(small_disk, leave)
    room = []
    for _ in range(4):
        with pytest.raises(RetryableError):
            list(sink.flushes())
        room.append(free(small_disk))
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
