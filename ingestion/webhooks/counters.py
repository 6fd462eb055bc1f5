"""Counts that outlive the process: one small memory-mapped file per worker, read by whoever serves `/metrics`.

Adding one is a store of eight bytes, so that it costs next to nothing per request, and what was counted before a
kill -9 is still there after it. The file is allocated when it is opened: a full disk cannot stop the counting.
"""

import json
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

from ingestion.errors import RetryableError


class Key(NamedTuple):
    """A metric's name and its label values, in the order that `metrics.METRICS` declares."""

    name: str
    labels: tuple[str, ...] = ()


class Counters:
    """`counters[slot] += 1` with slots from `slot(key)`; the file keeps the values of keys it already had."""

    def __init__(self, mapped: mmap.mmap, offset: int, slots: dict[Key, int]) -> None:
        self._mapped = mapped
        self._slots = slots
        self.values = memoryview(mapped)[offset:].cast("q")

    @classmethod
    def open(cls, path: Path, keys: Iterable[Key]) -> Self:
        """For the one process that counts in this file."""
        wanted = list(dict.fromkeys(keys))
        before = read_counters(path) if path.exists() else {}
        header = json.dumps([[key.name, *key.labels] for key in wanted]).encode()
        offset = -(-(8 + len(header)) // 8) * 8
        size = offset + 8 * len(wanted)
        fresh = path.with_suffix(".new")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open("w+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
                file.write(len(header).to_bytes(8, "little") + header)
                file.flush()
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise RetryableError(f"{path}: cannot be written ({error.strerror}); make room and try again") from error
        counters = cls(mapped, offset, {key: number for number, key in enumerate(wanted)})
        for key, number in counters._slots.items():
            counters.values[number] = before.get(key, 0)
        fresh.replace(path)
        return counters

    def slot(self, key: Key) -> int:
        return self._slots[key]

    def add(self, key: Key, count: int = 1) -> None:
        self.values[self._slots[key]] += count

    def put(self, key: Key, value: int) -> None:
        self.values[self._slots[key]] = value

    def get(self, key: Key) -> int:
        return self.values[self._slots[key]]

    def close(self) -> None:
        self.values.release()
        self._mapped.close()


def read_counters(path: Path) -> dict[Key, int]:
    """A snapshot of another worker's file; empty where it is not one, or not all of it is there."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    offset = -(-(8 + length) // 8) * 8
    try:
        keys = [Key(str(row[0]), tuple(row[1:])) for row in json.loads(content[8 : 8 + length])]
        return dict(zip(keys, memoryview(content)[offset : offset + 8 * len(keys)].cast("q"), strict=True))
    except (ValueError, TypeError, LookupError):
        return {}
