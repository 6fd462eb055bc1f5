"""The journal on disk: stored once, numbered without gaps, readable while it is written."""

import threading
from pathlib import Path

import pytest

from ingestion.webhooks.journal import Delivery, Journal


def delivery(number: int, body: bytes = b"{}") -> Delivery:
    return Delivery("shopify", number.to_bytes(16, "big"), 1_000 + number, b"{}", body, None)


def test_a_repeated_delivery_is_stored_once_even_within_one_commit(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.db") as journal:
        first = journal.append([delivery(1), delivery(2), delivery(1)])
        second = journal.append([delivery(2), delivery(3)])

        assert first == [1, 2, None]
        assert second == [None, 3]
        assert [entry.delivery for entry in journal.read(0, 100, 1 << 20)] == [delivery(1), delivery(2), delivery(3)]


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
