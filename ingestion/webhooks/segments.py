"""Numbered append-only files of frames: what a journal's deliveries are stored in.

A frame is a fixed header and a payload under one checksum. Files are allocated before they are written, so that a
commit changes no file size and a full disk is met when a file is made, not in the middle of a frame. Only the
newest frame can be unfinished: a frame is begun after the one before it is on disk.
"""

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

SEGMENT_BYTES = 16 * 1024 * 1024
_HEADER = struct.Struct("<4sIIIQQ")
_MAGIC = b"FRZ1"


class Frame(NamedTuple):
    """One group: the number of its first delivery, how many there are, when (microseconds), and their bytes.

    A frame of none keeps the place in the numbering where all earlier frames have gone.
    """

    first_seq: int
    deliveries: int
    at: int
    payload: bytes

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.deliveries - 1

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return _HEADER.size + len(self.payload)


class Outgoing(NamedTuple):
    """A frame to be written; `parts` are its bytes, header included, not copied together."""

    first_seq: int
    deliveries: int
    parts: list[bytes]
    size: int

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.deliveries - 1


def outgoing(first_seq: int, deliveries: int, at: int, payload: list[bytes]) -> Outgoing:
    """`payload` has at most 1,000 parts: one system call writes them."""
    length = sum(map(len, payload))
    numbers = struct.pack("<IIQQ", length, deliveries, first_seq, at)
    checksum = crc32(numbers)
    for part in payload:
        checksum = crc32(part, checksum)
    header = b"".join((_MAGIC, struct.pack("<I", checksum), numbers))
    return Outgoing(first_seq, deliveries, [header, *payload], _HEADER.size + length)


def _read(descriptor: int, offset: int) -> Frame | None:
    """The frame there; None where nothing, or not all of it, has been written."""
    header = os.pread(descriptor, _HEADER.size, offset)
    if len(header) < _HEADER.size or header[:4] != _MAGIC:
        return None
    _, checksum, length, count, first_seq, at = _HEADER.unpack(header)
    if length > os.fstat(descriptor).st_size:
        return None
    payload = os.pread(descriptor, length, offset + _HEADER.size)
    if len(payload) != length or crc32(payload, crc32(header[8:])) != checksum:
        return None
    return Frame(first_seq, count, at, payload)


def _behind_damage(descriptor: int, offset: int) -> tuple[int, Frame] | None:
    """The next frame, and where it begins, if what is at `offset` has been a frame: nothing is begun behind an
    unfinished one, and in a file numbers have no gap."""
    header = os.pread(descriptor, _HEADER.size, offset)
    if len(header) < _HEADER.size or header[:4] != _MAGIC:
        return None
    _, _, length, count, first_seq, _ = _HEADER.unpack(header)
    end = offset + _HEADER.size + length
    frame = _read(descriptor, end)
    return None if frame is None or frame.first_seq != first_seq + count else (end, frame)


class Segment:
    """One open file."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self.number = int(path.stem)
        self._descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)

    @classmethod
    def create(cls, path: Path, size: int) -> "Segment":
        """A new file with room for `size` bytes, safely in its folder; raises OSError and leaves nothing behind."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            os.fsync(descriptor)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        return cls(path, writable=True)

    def room(self) -> int:
        return os.fstat(self._descriptor).st_size

    def extend(self, size: int) -> None:
        """Allocate up to `size`; raises OSError when the disk is full."""
        os.posix_fallocate(self._descriptor, 0, size)

    def first_seq(self) -> int | None:
        """The number that the first frame begins with, as soon as its header has been written."""
        header = os.pread(self._descriptor, _HEADER.size, 0)
        return int(_HEADER.unpack(header)[4]) if header[:4] == _MAGIC and len(header) == _HEADER.size else None

    def next_frame(self, offset: int) -> tuple[int, Frame] | None:
        """The first whole frame from `offset` on, and where it ends; one that was damaged is passed over."""
        frame = _read(self._descriptor, offset)
        if frame is None:
            behind = _behind_damage(self._descriptor, offset)
            if behind is None:
                return None
            frame = _read(self._descriptor, offset)  # it was only unfinished at the first look
            if frame is None:
                offset, frame = behind
        return offset + frame.size, frame

    def frames(self, offset: int = 0) -> Iterator[tuple[int, Frame]]:
        """Whole frames from `offset` on, each with where it ends."""
        while (found := self.next_frame(offset)) is not None:
            offset = found[0]
            yield found

    def fileno(self) -> int:
        return self._descriptor

    def write(self, offset: int, frame: Outgoing) -> None:
        """Into the system's memory, and on disk after an fdatasync."""
        written = os.pwritev(self._descriptor, frame.parts, offset)
        if written < frame.size:
            data = b"".join(frame.parts)
            while written < frame.size:
                written += os.pwrite(self._descriptor, data[written:], offset + written)

    def sync(self) -> None:
        """What has been read from this file is on disk afterwards, whoever wrote it."""
        os.fdatasync(self._descriptor)

    def trim(self, size: int) -> None:
        """Give back what is allocated above `size`."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


def segment_paths(folder: Path) -> list[Path]:
    """The files in the order in which they were written; the last ones may be empty still."""
    return sorted(folder.glob("*.log"), key=lambda path: int(path.stem))


class Appender:
    """The writing end of a folder of segments, for one thread of one process.

    After a write or sync that failed nothing is known about the frame. It is cut off, and neither its place nor its
    numbers are used again: the next frame begins a new file.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._current: Segment | None = None
        self._offset = 0
        self._room = 0
        self._next: Segment | None = None
        self._full: tuple[Segment, int] | None = None
        self._preparing: threading.Thread | None = None
        self._number = 0
        self._is_used = False
        self.last_seq = 0
        """The last number given away."""
        self.stored_seq = 0
        """The last number of a delivery that is stored: lower after a frame was abandoned."""
        self._recover()

    def append(self, frame: Outgoing) -> None:
        """Store `frame`; it is on disk when this returns. Raises OSError, and then nothing counts as stored."""
        descriptor = self.write(frame)
        try:
            os.fdatasync(descriptor)
        except OSError:
            self.abandon()
            raise
        self.advance(frame)

    def write(self, frame: Outgoing) -> int:
        """Write `frame`, whose numbers go on from `last_seq`, and return the descriptor to be synced.

        It counts as stored after an fdatasync of that and `advance`; when that fails, `abandon` comes next. Raises
        OSError, and then there is nothing to abandon.
        """
        if self._current is None or self._offset + frame.size > self._room:
            self._roll(frame.size)
        assert self._current is not None
        self.last_seq = frame.last_seq
        try:
            self._current.write(self._offset, frame)
        except BaseException:
            self.abandon()
            raise
        return self._current.fileno()

    def advance(self, frame: Outgoing) -> None:
        """What was written last is on disk."""
        self._offset += frame.size
        if frame.deliveries:
            self._is_used, self.stored_seq = True, frame.last_seq
        if self._offset * 2 > self._room and self._next is None and self._preparing is None:
            preparing = threading.Thread(target=self._prepare, name="journal-segment", daemon=True)
            with suppress(RuntimeError):  # no thread to be had: the file is made when it is needed
                preparing.start()
                self._preparing = preparing

    def abandon(self) -> None:
        """Take back what was written last, which may be on disk or not; another process may have read it by now."""
        assert self._current is not None
        current, self._current = self._current, None
        with suppress(OSError):
            current.trim(self._offset)
            if not self._offset:
                current.path.unlink()
        with suppress(OSError):
            current.close()

    def is_removed(self) -> bool:
        """Whether the file that is written to has been taken away: what is stored in it nobody will read."""
        current = self._current
        return current is not None and not current.path.exists() and current is self._current  # it may roll meanwhile

    def roll(self) -> None:
        """Begin a new file, if deliveries are in this one, so that this one can go; the numbers go on from a mark."""
        if self._is_used:
            mark = outgoing(self.last_seq + 1, 0, 0, [])
            self._roll(mark.size)
            self._trim_the_full()
            self.append(mark)

    def close(self) -> None:
        """Give back space that was allocated ahead."""
        self._await_preparation()
        if self._next is not None:
            self._next.path.unlink(missing_ok=True)
            self._next.close()
        self._trim_the_full()
        if self._current is not None:
            self._current.trim(self._offset)
            self._current.close()
        self._current = self._next = None

    def _recover(self) -> None:
        """Go on behind the last whole frame; what was written but perhaps not synced is synced now.

        The file that is gone on with may hold marks alone: then the last delivery is in one before it.
        """
        for path in reversed(segment_paths(self._folder)):
            segment = Segment(path, writable=True)
            self._number = max(self._number, segment.number)
            offset = 0
            for end, frame in segment.frames():
                offset = end
                self.last_seq = max(self.last_seq, frame.last_seq)
                if frame.deliveries:
                    self.stored_seq = frame.last_seq
            if offset and self._current is None:
                self._clear_behind(segment, offset)
                segment.sync()
                self._current, self._offset, self._room = segment, offset, segment.room()
                self._is_used = self.stored_seq > 0
            else:
                segment.close()
                if not offset:
                    path.unlink()
            if self.stored_seq:
                return

    @staticmethod
    def _clear_behind(segment: Segment, offset: int) -> None:
        """Of a frame that was torn the rest goes: bodies are strangers' bytes, and could be read as frames."""
        room = segment.room()
        segment.trim(offset)
        with suppress(OSError):  # a full disk is met when there is something to write
            segment.extend(room)

    def _roll(self, needed: int) -> None:
        self._await_preparation()
        following, self._next = self._next, None
        if following is None:
            following = self._create(max(needed, self._segment_bytes))
        elif following.room() < needed:
            try:
                following.extend(needed)
            except OSError:
                self._next = following
                raise
        self._trim_the_full()
        if self._current is not None:
            self._full = self._current, self._offset
        self._current, self._offset, self._room = following, 0, following.room()
        self._is_used = False

    def _prepare(self) -> None:
        """What need not keep a group waiting."""
        with suppress(OSError):  # met again, and reported, when the file is needed
            self._trim_the_full()
            self._next = self._create(self._segment_bytes)

    def _trim_the_full(self) -> None:
        if self._full is not None:
            segment, size = self._full
            self._full = None
            segment.trim(size)
            segment.close()

    def _await_preparation(self) -> None:
        if self._preparing is not None:
            self._preparing.join()
            self._preparing = None

    def _create(self, size: int) -> Segment:
        segment = Segment.create(self._folder / f"{self._number + 1:012d}.log", size)
        self._number = segment.number
        return segment
