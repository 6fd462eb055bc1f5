"""Group commit: what waits goes together, and what is not on disk is never called stored."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from ingestion.webhooks.journal import Delivery, Journal
from ingestion.webhooks.segments import Outgoing
from ingestion.webhooks.syncs import Done, Syncs
from ingestion.webhooks.writer import GroupWriter


def delivery(number: int, size: int = 10) -> Delivery:
    return Delivery("shopify", number.to_bytes(16, "big"), 1_000_000, b"{}", b"x" * size, None)


class Answers:
    """What `stored` was called with, by number."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self.given: dict[int, bool | None] = {}
        self._expected = 0

    def submit(self, name: int, item: Delivery) -> None:
        self._expected += 1
        self._writer.submit(item, lambda is_new: self._note(name, is_new))

    def _note(self, name: int, is_new: bool | None) -> None:
        assert name not in self.given, "answered twice"
        self.given[name] = is_new

    async def all(self) -> dict[int, bool | None]:
        async with asyncio.timeout(30):
            while len(self.given) < self._expected:
                await asyncio.sleep(0.001)
        return self.given


def test_what_is_submitted_together_is_stored_together(tmp_path: Path) -> None:
    async def scenario() -> tuple[dict[int, bool | None], int]:
        commits: list[float] = []
        writer = GroupWriter(Journal.open(tmp_path / "j.db"), commits.append)
        answers = Answers(writer)
        for number in range(100):
            answers.submit(number, delivery(number))
        given = await answers.all()
        await writer.stop()
        return given, len(commits)

    given, commits = asyncio.run(scenario())

    assert set(given.values()) == {True}
    assert commits == 1
    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.depth() == 100


def test_a_repeat_waits_for_the_first_one_and_is_then_called_a_repeat(tmp_path: Path) -> None:
    async def scenario() -> dict[int, bool | None]:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        answers = Answers(writer)
        answers.submit(0, delivery(7))
        answers.submit(1, delivery(7))
        await asyncio.sleep(0)  # the first group is on its way to the disk
        answers.submit(2, delivery(7))
        given = await answers.all()
        answers.submit(3, delivery(7))
        await answers.all()
        await writer.stop()
        return given

    assert asyncio.run(scenario()) == {0: True, 1: False, 2: False, 3: False}


def test_what_waits_when_it_is_stopped_is_stored_first(tmp_path: Path) -> None:
    async def scenario() -> dict[int, bool | None]:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        answers = Answers(writer)
        for number in range(1_000):
            answers.submit(number, delivery(number, size=20_000))
        await writer.stop()
        return answers.given

    assert set(asyncio.run(scenario()).values()) == {True}
    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.depth() == 1_000


def test_a_failing_disk_refuses_the_whole_group_and_a_retry_is_stored_as_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int, parts: list[bytes], offset: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    async def scenario() -> tuple[dict[int, bool | None], dict[int, bool | None]]:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        first, second = Answers(writer), Answers(writer)
        with monkeypatch.context() as broken:
            broken.setattr(os, "pwritev", failing)
            for number in range(5):
                first.submit(number, delivery(number))
            refused = await first.all()
        for number in range(5):
            second.submit(number, delivery(number))
        stored = await second.all()
        await writer.stop()
        return refused, stored

    refused, stored = asyncio.run(scenario())

    assert set(refused.values()) == {None}
    assert set(stored.values()) == {True}
    with Journal.open(tmp_path / "j.db") as journal:
        assert len(journal.read(0, 100, 1 << 20)) == 5


def test_what_was_written_but_not_synced_is_refused_and_a_retry_is_stored_as_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = os.pipe()  # cannot be synced
    real = Journal.write

    def unsyncable(journal: Journal, frame: Outgoing) -> int:
        real(journal, frame)
        return ends[1]

    async def scenario() -> tuple[dict[int, bool | None], str | None, dict[int, bool | None]]:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        first, second = Answers(writer), Answers(writer)
        with monkeypatch.context() as broken:
            broken.setattr(Journal, "write", unsyncable)
            for number in range(5):
                first.submit(number, delivery(number))
            refused = await first.all()
        problem = writer.problem
        for number in range(5):
            second.submit(number, delivery(number))
        stored = await second.all()
        assert writer.problem is None
        await writer.stop()
        return refused, problem, stored

    refused, problem, stored = asyncio.run(scenario())
    for end in ends:
        os.close(end)

    assert set(refused.values()) == {None}
    assert problem is not None
    assert "nvalid" in problem
    assert set(stored.values()) == {True}
    with Journal.open(tmp_path / "j.db") as journal:
        assert len(journal.read(0, 100, 1 << 20)) == 5, "what was refused is read all the same"


def test_what_comes_while_the_disk_is_waited_for_goes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Syncs.start
    held: list[Callable[[], None]] = []

    def slow(syncs: Syncs, descriptor: int, done: Done) -> None:
        held.append(partial(real, syncs, descriptor, done))

    async def scenario() -> dict[int, bool | None]:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        answers = Answers(writer)
        with monkeypatch.context() as disk:
            disk.setattr(Syncs, "start", slow)
            for number in range(50):
                answers.submit(number, delivery(number))
                await asyncio.sleep(0.001)
            assert answers.given == {}, "nothing is stored before the disk has answered"
            held.pop()()
            async with asyncio.timeout(30):
                while not held:
                    await asyncio.sleep(0.001)
            assert list(answers.given) == [0]
        held.pop()()
        given = await answers.all()
        await writer.stop()
        return given

    assert set(asyncio.run(scenario()).values()) == {True}
    assert held == []


def open_files() -> list[str]:
    """The paths that Linux tells of this process's descriptors; with " (deleted)" behind them, their space is taken."""
    paths = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            paths.append(str(descriptor.readlink()))
    return paths


def test_files_that_the_sink_has_read_go_between_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.webhooks.writer._PRUNE_SECONDS", 0.001)
    now = time.time_ns() // 1_000

    async def scenario() -> None:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        answers = Answers(writer)
        first = tmp_path / "j.segments" / f"{1:012d}.log"
        for number in range(200):
            answers.submit(number, delivery(number)._replace(received_at=now))
            await asyncio.sleep(0.001)
        assert set((await answers.all()).values()) == {True}
        with Journal.open(tmp_path / "j.db") as sink:
            assert [entry.seq for entry in sink.read(0, 1_000, 1 << 20)] == list(range(1, 201))
            sink.delete_through(200)
        async with asyncio.timeout(30):
            while first.exists() or any(opened.startswith(str(first)) for opened in open_files()):
                await asyncio.sleep(0.001)
        for number in (199, 200):
            answers.submit(1_000 + number, delivery(number)._replace(received_at=now))
        given = await answers.all()
        await writer.stop()
        assert (given[1_199], given[1_200]) == (False, True), "an id is known when its file has gone"

    asyncio.run(scenario())


def test_after_a_failure_the_writer_finds_out_by_itself_that_the_disk_is_well_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.webhooks.writer._RETRY_SECONDS", 0.01)

    def failing(descriptor: int, parts: list[bytes], offset: int) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    async def scenario() -> None:
        writer = GroupWriter(Journal.open(tmp_path / "j.db"))
        answers = Answers(writer)
        with monkeypatch.context() as broken:
            broken.setattr(os, "pwritev", failing)
            answers.submit(0, delivery(0))
            assert await answers.all() == {0: None}
            await asyncio.sleep(0.1)
            assert writer.problem == "journal cannot be written: [Errno 30] Read-only file system"
        async with asyncio.timeout(30):
            while writer.problem is not None:
                await asyncio.sleep(0.001)
        answers.submit(1, delivery(1))
        assert await answers.all() == {0: None, 1: True}
        await writer.stop()

    asyncio.run(scenario())

    with Journal.open(tmp_path / "j.db") as journal:
        assert [entry.delivery.delivery_id for entry in journal.read(0, 100, 1 << 20)] == [delivery(1).delivery_id]


def test_without_a_thread_to_be_had_all_is_answered_and_files_go_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.webhooks.writer._PRUNE_SECONDS", 0.001)

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> set[bool | None]:
        writer = GroupWriter(Journal.open(tmp_path / "j.db", segment_bytes=1_000))
        answers = Answers(writer)
        with monkeypatch.context() as crowded:
            crowded.setattr(threading.Thread, "start", refused)
            for number in range(50):
                answers.submit(number, delivery(number, size=200))
                await asyncio.sleep(0.001)
            given = set((await answers.all()).values())
        await writer.stop()
        return given

    assert asyncio.run(scenario()) == {True}
