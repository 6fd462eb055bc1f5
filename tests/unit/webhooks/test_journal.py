"""The journal on disk: stored once, numbered without gaps, readable while it is written."""

import errno
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.errors import RetryableError
from ingestion.webhooks import journal, reading
from ingestion.webhooks.journal import Delivery, Entry, Journal
from ingestion.webhooks.segments import segment_paths


def delivery(number: int, body: bytes = b"{}") -> Delivery:
    return Delivery("shopify", number.to_bytes(16, "big"), 1_000 + number, b"{}", body, None)


def test_a_repeated_delivery_is_stored_once_even_within_one_commit(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as journal:
        first = journal.append([delivery(1), delivery(2), delivery(1)])
        second = journal.append([delivery(2), delivery(3)])

        assert first == [1, 2, None]
        assert second == [None, 3]
        assert [entry.delivery for entry in journal.read(0, 100, 1 << 20)] == [delivery(1), delivery(2), delivery(3)]


def write_mark(journal: Journal) -> None:
    group = journal.mark()
    assert group.frame is not None
    os.fdatasync(journal.write(group.frame))
    journal.settle(group, is_on_disk=True)


def test_numbers_and_ids_outlive_an_empty_queue_and_a_restart(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([delivery(1), delivery(2)])
        journal.delete_through(2)
        assert journal.depth() == 0
        journal_id = journal.id

    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.id == journal_id
        assert journal.read(0, 100, 1 << 20) == []
        assert journal.append([delivery(2), delivery(3)]) == [None, 3]


def test_a_delivery_that_a_crash_has_torn_is_taken_when_it_is_sent_again(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([delivery(1)])
        frame = journal.stage([delivery(2, b"x" * 10_000)]).frame
        folder = journal.folder
    assert frame is not None
    (path,) = segment_paths(folder)
    with path.open("ab") as file:
        file.write(b"".join(frame.parts)[:-100])

    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.append([delivery(1), delivery(2)]) == [None, 2]
        assert [entry.delivery for entry in journal.read(0, 100, 1 << 20)] == [delivery(1), delivery(2)]


def test_what_is_missing_from_a_file_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal.open(tmp_path / "j.db", segment_bytes=300) as journal:
        for number in range(1, 6):
            journal.append([delivery(number, b"x" * 200)])
        paths = segment_paths(journal.folder)
    paths[1].write_bytes(paths[1].read_bytes()[:-10])
    paths[3].unlink()

    with Journal.open(tmp_path / "j.db") as journal:
        entries = journal.read(0, 100, 1 << 20)

    assert [entry.seq for entry in entries] == [1, 3, 5]
    told = [(record.message, vars(record)["first"], vars(record)["last"]) for record in caplog.records]
    assert told == [("journal_gap", 2, 2), ("journal_gap", 4, 4)]


def test_a_remade_file_is_another_journal(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as one, Journal.open(tmp_path / "b.db") as other:
        assert one.id != other.id


def test_reading_goes_on_after_a_number_and_stops_at_its_limits(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as journal:
        for start in range(1, 100, 10):
            journal.append([delivery(number) for number in range(start, start + 10)])

        assert [entry.seq for entry in journal.read(94, 100, 1 << 20)] == [95, 96, 97, 98, 99, 100]
        assert len(journal.read(0, 15, 1 << 20)) < 30
        assert len(journal.read(0, 100, 1)) < 20
        journal.delete_through(50)
        assert journal.depth() == 50
        assert journal.read(0, 1, 1 << 20)[0].seq == 51


def test_a_reader_deletes_while_the_writer_appends(tmp_path: Path) -> None:
    seen: list[int] = []
    done = threading.Event()

    def drain() -> None:
        with Journal.open(tmp_path / "j.db") as reader:
            while True:
                last_round = done.is_set()
                entries = reader.read(seen[-1] if seen else 0, 50, 1 << 20)
                seen.extend(entry.seq for entry in entries)
                if entries:
                    reader.delete_through(entries[-1].seq)
                elif last_round:
                    return

    with Journal.open(tmp_path / "j.db") as writer:
        thread = threading.Thread(target=drain)
        thread.start()
        for start in range(1, 1000, 5):
            writer.append([delivery(number) for number in range(start, start + 5)])
        done.set()
        thread.join()

    assert seen == list(range(1, 1001))


@pytest.mark.parametrize("size", [0, 1, 6_000, 3_000_000])
def test_bodies_of_any_size_come_back_byte_by_byte(tmp_path: Path, size: int) -> None:
    body = bytes(number % 256 for number in range(size))
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([delivery(1, body)])

        assert journal.read(0, 10, 1)[0].delivery.body == body


def test_files_that_have_been_read_go_and_their_ids_stay(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db", segment_bytes=4_096) as journal:
        for number in range(1, 101):
            journal.append([delivery(number, b"x" * 500)])
        journal.delete_through(100)
        assert len(list(journal.folder.glob("*.log"))) <= 2

    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.append([delivery(number) for number in range(1, 102)]) == [None] * 100 + [101]


def test_a_file_that_goes_between_listing_and_opening_is_one_that_has_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Journal.open(tmp_path / "j.db", segment_bytes=4_096) as server,
        Journal.open(tmp_path / "j.db", segment_bytes=4_096) as sink,
    ):
        for number in range(1, 41):
            server.append([delivery(number, b"x" * 500)])
        listed = segment_paths(sink.folder)
        server.delete_through(40)
        for module in (journal, reading):
            monkeypatch.setattr(module, "segment_paths", lambda folder: listed)

        sink.delete_through(40)

        assert sink.last_seq() == 40
        assert sink.read(0, 100, 1 << 20) == []
    with Journal.open(tmp_path / "j.db") as restarted:
        restarted.claim()
        monkeypatch.undo()
        assert restarted.append([delivery(number) for number in range(1, 42)]) == [None] * 40 + [41]


def test_a_file_that_could_not_be_written_keeps_no_other_from_going(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int, parts: list[bytes], offset: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def kept(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Journal.open(tmp_path / "j.db", segment_bytes=1_000) as journal:
        journal.append([delivery(1)])
        with monkeypatch.context() as broken:
            broken.setattr(os, "pwritev", failing)
            broken.setattr(Path, "unlink", kept)
            for _ in range(3):
                with pytest.raises(OSError, match="Input"):
                    journal.append([delivery(2)])
        assert len(list(journal.folder.glob("*.log"))) > 2
        for number in range(2, 40):
            journal.append([delivery(number, b"x" * 100)])
        journal.delete_through(journal.last_seq())

        assert len(list(journal.folder.glob("*.log"))) <= 2


def test_an_idle_journal_keeps_no_delivery_that_has_been_read(tmp_path: Path) -> None:
    now = time.time_ns() // 1_000
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([Delivery("shopify", b"1" * 16, now, b"{}", b"a person's name", None)])
        journal.prune()
        assert any(b"a person's name" in path.read_bytes() for path in journal.folder.glob("*.log"))
        journal.delete_through(1)
        journal.prune()
        assert not any(b"a person's name" in path.read_bytes() for path in journal.folder.glob("*.log"))

    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.append([Delivery("shopify", b"1" * 16, now, b"{}", b"", None), delivery(2)]) == [None, 2]


def test_what_failed_does_not_wait_for_the_sink_and_keeps_nothing_that_has_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    now = time.time_ns() // 1_000
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([Delivery("shopify", b"1" * 16, now, b"{}", b"a person's name", None)])
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", failing)
            with pytest.raises(OSError, match="Input"):
                journal.append([delivery(2), delivery(3)])
        assert journal.depth() == 1

        journal.delete_through(1)
        assert journal.depth() == 0
        write_mark(journal)
        journal.prune()
        assert journal.depth() == 0
        assert not any(b"a person's name" in path.read_bytes() for path in journal.folder.glob("*.log"))

    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.depth() == 0
        assert journal.append([delivery(2)]) == [4], "a number is given once"


def test_what_waits_behind_a_failure_waits_after_a_restart_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([delivery(1), delivery(2)])
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", failing)
            with pytest.raises(OSError, match="Input"):
                journal.append([delivery(3)])
        write_mark(journal)

    with Journal.open(tmp_path / "j.db") as server, Journal.open(tmp_path / "j.db") as sink:
        server.claim()
        server.prune()

        assert (server.depth(), sink.depth()) == (2, 2)
        assert [entry.seq for entry in sink.read(0, 100, 1 << 20)] == [1, 2]
        assert server.append([delivery(3)]) == [4]


def test_ids_are_forgotten_after_their_time(tmp_path: Path) -> None:
    hour = 3_600_000_000
    now = time.time_ns() // 1_000
    old = Delivery("shopify", b"o" * 16, now - 50 * hour, b"{}", b"", None)
    young = Delivery("shopify", b"y" * 16, now - 2 * hour, b"{}", b"", None)
    with Journal.open(tmp_path / "j.db", keep_ids_hours=24) as journal:
        journal.append([old])
        journal.append([young])
        journal.delete_through(2)
        journal.prune()
        journal.prune()

        assert journal.append([old, young]) == [3, None]


def test_only_one_process_or_object_appends_to_a_journal(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as one, Journal.open(tmp_path / "j.db") as other:
        one.append([delivery(1)])

        with pytest.raises(RetryableError, match="another server"):
            other.append([delivery(2)])
        assert [entry.seq for entry in other.read(0, 10, 1 << 20)] == [1]

    with Journal.open(tmp_path / "j.db") as free:
        assert free.append([delivery(2)]) == [2]


def test_a_journal_whose_database_was_deleted_gives_everything_again_under_the_same_id(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([delivery(1), delivery(2)])
        journal_id = journal.id
    for path in tmp_path.glob("j.db*"):
        path.unlink()

    with Journal.open(tmp_path / "j.db") as journal:
        assert journal.id == journal_id
        assert [entry.seq for entry in journal.read(0, 10, 1 << 20)] == [1, 2]
        assert journal.append([delivery(2), delivery(3)]) == [None, 3]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.lists(st.integers(0, 60), min_size=1, max_size=8)),
            st.tuples(st.just("read"), st.integers(1, 12)),
            st.tuples(st.just("delete"), st.integers(0, 3)),
            st.tuples(st.just("reopen"), st.just(0)),
            st.tuples(st.just("prune"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_whatever_happens_in_whatever_order_each_id_is_read_once_and_in_order(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.db"
        writer, reader = (Journal.open(path, segment_bytes=600) for _ in range(2))
        expected: dict[int, int] = {}
        read: list[Entry] = []
        now = time.time_ns() // 1_000
        for step, argument in [*steps, ("read", 1_000)]:
            if step == "append":
                items = [Delivery("s", number.to_bytes(16, "big"), now, b"{}", b"b" * 50, None) for number in argument]
                for number, seq in zip(argument, writer.append(items), strict=True):
                    assert (seq is None) == (number in expected)
                    expected.setdefault(number, seq or 0)
            elif step == "read":
                read += reader.read(read[-1].seq if read else 0, argument, 1 << 20)
            elif step == "delete" and read:
                reader.delete_through(read[max(0, len(read) - 1 - argument)].seq)
            elif step == "reopen":
                writer.close()
                reader.close()
                writer, reader = (Journal.open(path, segment_bytes=600) for _ in range(2))
            elif step == "prune":
                writer.prune()
        writer.close()
        reader.close()

    assert [(entry.seq, int.from_bytes(entry.delivery.delivery_id, "big")) for entry in read] == sorted(
        (seq, number) for number, seq in expected.items()
    )
