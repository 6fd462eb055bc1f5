"""What a worker says about itself."""

import asyncio
import logging
import shutil
from pathlib import Path

import pytest

from ingestion.cdc.clusters import ConnectAddress, KafkaCluster
from ingestion.webhooks.journal import Delivery, Journal
from ingestion.webhooks.limits import Limits
from ingestion.webhooks.metrics import exposition
from ingestion.webhooks.sources import SourceConfig
from ingestion.webhooks.topics import Bus
from ingestion.webhooks.worker import Worker

ALL_OF_IT = 1 << 62  # bytes that no disk has


async def through_floors(worker: Worker, floors: list[int]) -> None:
    """Look at the disk once with each floor."""
    await worker.open()
    for floor in floors:
        worker.limits = worker.limits._replace(disk_floor_bytes=floor)
        worker.watch()
    await worker.close()


@pytest.mark.parametrize(
    ("floors", "levels"),
    [([0, 0], []), ([ALL_OF_IT, ALL_OF_IT], ["WARNING"]), ([ALL_OF_IT, 0, 0], ["WARNING", "INFO"])],
)
def test_a_worker_tells_of_a_problem_and_of_its_end_and_not_of_a_healthy_start(
    sources: dict[str, SourceConfig],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    floors: list[int],
    levels: list[str],
) -> None:
    worker = Worker(sources, tmp_path, base_url="https://x", limits=Limits(disk_floor_bytes=0))

    with caplog.at_level(logging.INFO, "ingestion.webhooks.worker"):
        asyncio.run(through_floors(worker, floors))

    assert [record.levelname for record in caplog.records if record.message == "journal_state"] == levels


async def without(worker: Worker, folder: Path) -> tuple[str | None, str | None]:
    """The problem before and after a folder goes while the worker runs."""
    await worker.open()
    before = worker.problem
    shutil.rmtree(folder)
    worker.watch()
    after = worker.problem
    await worker.close()
    return before, after


@pytest.mark.parametrize("below", ["", "worker-0.segments"])
def test_a_worker_takes_nothing_into_files_that_have_been_removed(
    sources: dict[str, SourceConfig], tmp_path: Path, below: str
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    with Journal.open(folder / "worker-0.db") as journal:
        journal.append([Delivery("shopify", b"1" * 16, 1_000, b"{}", b"{}", None)])
    worker = Worker(sources, folder, base_url="https://x", limits=Limits(disk_floor_bytes=0))

    before, after = asyncio.run(without(worker, folder / below))

    assert before is None
    assert after is not None


AWAY = KafkaCluster(name="away", bootstrap="127.0.0.1:1", connect=ConnectAddress(url="http://127.0.0.1:1"))


@pytest.mark.parametrize("bus", [None, Bus(AWAY, 1)])
def test_only_a_worker_that_is_told_to_use_kafka_says_that_it_does_not(
    sources: dict[str, SourceConfig], tmp_path: Path, bus: Bus | None
) -> None:
    worker = Worker(sources, tmp_path, base_url="https://x", limits=Limits(disk_floor_bytes=0), bus=bus)

    asyncio.run(through_floors(worker, [0]))

    assert ('frazil_bus_up{worker="worker-0"} 0.0' in exposition(tmp_path).decode()) == (bus is not None)
