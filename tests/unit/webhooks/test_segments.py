"""Segment files after every kind of accident: torn tails, broken bytes, failed writes, full disks."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from ingestion.webhooks.segments import Appender, Frame, Outgoing, Segment, outgoing, segment_paths


def append(appender: Appender, text: bytes, deliveries: int = 1) -> Outgoing:
    new = outgoing(appender.last_seq + 1, deliveries, 1_000, [text[:1], text[1:]])
    appender.append(new)
    return new


def stored(folder: Path) -> list[bytes]:
    found = []
    for path in segment_paths(folder):
        segment = Segment(path)
        found += [item.payload for _, item in segment.frames() if item.deliveries]
        segment.close()
    return found


def test_frames_come_back_in_order_over_many_files(tmp_path: Path) -> None:
    appender = Appender(tmp_path, segment_bytes=300)
    texts = [b"%d" % number * 40 for number in range(50)]

    for text in texts:
        append(appender, text)

    assert stored(tmp_path) == texts
    assert len(segment_paths(tmp_path)) > 10
    appender.close()
    assert stored(tmp_path) == texts


def test_a_file_is_allocated_before_it_is_written_and_given_back_at_the_end(tmp_path: Path) -> None:
    appender = Appender(tmp_path, segment_bytes=1 << 20)
    append(appender, b"x" * 100)
    (path,) = segment_paths(tmp_path)

    assert path.stat().st_blocks * 512 >= 1 << 20
    appender.close()
    assert path.stat().st_size < 200


def test_a_frame_larger_than_a_file_gets_a_file_of_its_size(tmp_path: Path) -> None:
    appender = Appender(tmp_path, segment_bytes=300)

    append(appender, b"a" * 10_000)
    append(appender, b"b" * 250)
    append(appender, b"c" * 20_000)

    assert [len(text) for text in stored(tmp_path)] == [10_000, 250, 20_000]


@pytest.mark.parametrize("lost", [1, 20, 35, 70])
def test_a_torn_last_frame_is_overwritten_by_the_next_one(tmp_path: Path, lost: int) -> None:
    appender = Appender(tmp_path)
    append(appender, b"whole")
    torn = outgoing(2, 1, 1_000, [b"t" * 50])
    (path,) = segment_paths(tmp_path)
    with path.open("r+b") as file:
        file.seek(Frame(1, 1, 0, b"whole").size)
        file.write(b"".join(torn.parts)[:-lost])

    again = Appender(tmp_path)
    new = append(again, b"next")

    assert new.first_seq == 2
    assert stored(tmp_path) == [b"whole", b"next"]


def test_a_frame_with_any_broken_byte_is_not_read(tmp_path: Path) -> None:
    data = b"".join(outgoing(1, 1, 7, [b"pay", b"load"]).parts)
    path = tmp_path / "000000000001.log"
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x80
        path.write_bytes(bytes(broken))
        segment = Segment(path)
        assert segment.next_frame(0) is None
        segment.close()


def test_a_torn_frame_leaves_nothing_that_could_be_read_as_one(tmp_path: Path) -> None:
    appender = Appender(tmp_path, segment_bytes=1 << 16)
    append(appender, b"first")
    forged = b"".join(outgoing(1_000, 1, 1, [b"forged"]).parts)
    torn = b"".join(outgoing(2, 1, 1, [forged * 50]).parts)[:-1]
    (path,) = segment_paths(tmp_path)
    with path.open("r+b") as file:
        file.seek(len(b"".join(outgoing(1, 1, 1_000, [b"first"]).parts)))
        file.write(torn)

    append(Appender(tmp_path, segment_bytes=1 << 16), b"x" * len(forged))

    assert stored(tmp_path) == [b"first", b"x" * len(forged)]


def test_a_damaged_frame_takes_no_other_with_it(tmp_path: Path) -> None:
    appender = Appender(tmp_path, segment_bytes=1 << 16)
    for text in (b"first", b"second", b"third"):
        append(appender, text)
    (path,) = segment_paths(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"second", b"sEcond"))

    append(Appender(tmp_path, segment_bytes=1 << 16), b"fourth")

    assert stored(tmp_path) == [b"first", b"third", b"fourth"]


def test_numbers_go_on_after_a_restart_and_after_all_has_been_removed(tmp_path: Path) -> None:
    appender = Appender(tmp_path)
    append(appender, b"a", deliveries=3)
    appender.roll()
    old, new = segment_paths(tmp_path)
    old.unlink()

    again = Appender(tmp_path)

    assert segment_paths(tmp_path) == [new]
    assert append(again, b"b").first_seq == 4


@pytest.mark.parametrize("call", ["pwritev", "fdatasync"])
def test_what_failed_is_taken_back_and_neither_its_place_nor_its_numbers_are_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    appender = Appender(tmp_path)
    append(appender, b"before")

    def failing(*words: Any) -> None:
        real(*words)  # it may be on disk all the same
        raise OSError(errno.EIO, "the disk lied")

    real = getattr(os, call)
    with monkeypatch.context() as broken:
        broken.setattr(os, call, failing)
        for _ in range(3):
            with pytest.raises(OSError, match="lied"):
                append(appender, b"uncertain")
    after = append(appender, b"after")

    assert after.first_seq == 5
    assert stored(tmp_path) == [b"before", b"after"]
    assert len(segment_paths(tmp_path)) == 2, "files in which nothing is stored are gone"
    assert append(Appender(tmp_path), b"later").first_seq == 6


def test_a_full_disk_is_met_before_a_frame_is_begun_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appender = Appender(tmp_path, segment_bytes=300)
    append(appender, b"a" * 200)

    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as small:
        small.setattr(os, "posix_fallocate", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                append(appender, b"b" * 5_000)
    append(appender, b"c" * 200)

    assert stored(tmp_path) == [b"a" * 200, b"c" * 200]
    assert appender.last_seq == 2


def test_without_a_thread_to_be_had_files_are_made_when_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    appender = Appender(tmp_path, segment_bytes=300)
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", refused)
        for number in range(10):
            append(appender, b"%d" % number * 100)
    append(appender, b"x" * 100)

    assert stored(tmp_path) == [*(b"%d" % number * 100 for number in range(10)), b"x" * 100]
