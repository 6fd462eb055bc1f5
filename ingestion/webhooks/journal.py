"""The durable queue between the server and the sink, one per worker.

`<worker>.segments/` holds the deliveries in append-only files: what `append` returned for is on disk, and one
commit (one fdatasync) holds all deliveries that were waiting. `<worker>.db` is a SQLite file with what is known
beyond the queue: how far the sink has read, and the ids of deliveries that have left it. Sequence numbers grow by
at least one per delivery and never go back. One process appends; another one may read and delete meanwhile.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec

from ingestion.errors import FrazilError, PermanentError, RetryableError
from ingestion.home import no_folder
from ingestion.webhooks.ids import HOUR, ID_BYTES, KnownIds
from ingestion.webhooks.reading import Reading, first_seq, ids_in, opened
from ingestion.webhooks.segments import SEGMENT_BYTES, Appender, Frame, Outgoing, outgoing, segment_paths

_MAX_GROUP = 256
_SCHEMA = """
create table if not exists meta (name text primary key, value not null) without rowid;
create table if not exists seen (hour integer, id blob, primary key (hour, id)) without rowid;
insert or ignore into meta values ('consumed', 0);
"""


class Delivery(NamedTuple):
    """One request as journalled.

    `received_at` is microseconds since 1970; `headers` a JSON object of the kept headers by lower-case name;
    `reason` is None for a good delivery, else why the door sends it to the quarantine. `object` is what a single event
    is about, as far as the door knows; it is not journalled.
    """

    source: str
    delivery_id: bytes
    received_at: int
    headers: bytes
    body: bytes
    reason: str | None
    object: str | None = None


class Entry(NamedTuple):
    """A delivery and its place in the queue."""

    seq: int
    delivery: Delivery


class Group(NamedTuple):
    """Deliveries between `stage` and `settle`; `answers` are those of `append`, and without a frame all were known."""

    answers: list[int | None]
    ids: list[bytes]
    at: int
    frame: Outgoing | None


_Head = tuple[str, bytes | None, int, bytes, int, str | None]
"""A delivery without its body: source, id unless it is among the frame's ids, time, headers, body length, reason."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Head])


class Journal:
    """Open with `Journal.open`; an object belongs to one thread at a time."""

    def __init__(self, path: Path, database: sqlite3.Connection, keep_ids_hours: int, segment_bytes: int) -> None:
        self.path = path
        self.folder = path.with_suffix(".segments")
        self.id = _journal_id(self.folder)
        self._db = database
        self._start_anew_with_the_folder()
        self._keep_hours = keep_ids_hours
        self._segment_bytes = segment_bytes
        self._lock = -1
        self._appender: Appender | None = None
        self._known = KnownIds(keep_ids_hours)
        self._place: Reading | None = None

    @classmethod
    def open(cls, path: Path, keep_ids_hours: int = 96, segment_bytes: int = SEGMENT_BYTES) -> Self:
        """Open or create; the id is drawn at creation, so a deleted and re-made journal is another one."""
        path.with_suffix(".segments").mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        database.execute("pragma journal_mode = wal")
        database.executescript(f"pragma synchronous = full; begin immediate; {_SCHEMA} commit;")
        return cls(path, database, keep_ids_hours, segment_bytes)

    # The server's side

    def claim(self) -> None:
        """Become the one process that appends; raises RetryableError while another one is."""
        if self._appender is not None:
            return
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RetryableError(
                f"another server writes to {self.folder}; stop it, or set another FRAZIL_HOME"
            ) from None
        self._lock = lock
        self._appender = Appender(self.folder, self._segment_bytes)
        self._appender.last_seq = max(self._appender.last_seq, self.consumed())  # its files may have been removed
        for path in segment_paths(self.folder):
            for at, delivery_id in ids_in(path):
                self._known.add(delivery_id, at)
        # After the files: the ids of those that went meanwhile are here.
        for hour, delivery_id in self._db.execute("select hour, id from seen"):
            self._known.add(delivery_id, hour * HOUR)

    def append(self, deliveries: list[Delivery]) -> list[int | None]:
        """Store what is new and return when it is on disk: its seq, or None for a repeated delivery.

        Raises OSError when it is not on disk: then what was not stored before counts as not received.
        """
        answers: list[int | None] = []
        for start in range(0, len(deliveries), _MAX_GROUP):
            group = self.stage(deliveries[start : start + _MAX_GROUP])
            if group.frame is not None:
                self._claimed().append(group.frame)
                self._know(group)
            answers += group.answers
        return answers

    def stage(self, deliveries: list[Delivery]) -> Group:
        """What `append` does before the disk. A group is written, synced and settled before the next one is staged."""
        self.claim()
        fresh: dict[bytes, Delivery] = {}
        new: list[bool] = []
        for delivery in deliveries:
            delivery_id = delivery.delivery_id
            if len(delivery_id) != ID_BYTES:
                delivery_id = sha256(delivery_id).digest()[:ID_BYTES]
            new.append(delivery_id not in fresh and delivery_id not in self._known)
            if new[-1]:
                fresh[delivery_id] = delivery
        if not fresh:
            return Group([None] * len(deliveries), [], 0, None)
        seq = self._claimed().last_seq + 1
        at = deliveries[-1].received_at
        frame = outgoing(seq, len(fresh), at, _payload(fresh))
        answers: list[int | None] = []
        for is_new in new:
            answers.append(seq if is_new else None)
            seq += is_new
        return Group(answers, list(fresh), at, frame)

    def mark(self) -> Group:
        """A group of none, which tells whether the journal can be written."""
        return Group([], [], 0, outgoing(self._claimed().last_seq + 1, 0, 0, []))

    def write(self, frame: Outgoing) -> int:
        """The descriptor of the file that the staged frame was written to, for an fdatasync; raises OSError."""
        return self._claimed().write(frame)

    def settle(self, group: Group, *, is_on_disk: bool) -> None:
        """After the fdatasync: from now on the group's ids are known, or nothing of it counts as stored."""
        assert group.frame is not None
        if is_on_disk:
            self._claimed().advance(group.frame)
            self._know(group)
        else:
            self._claimed().abandon()

    def _claimed(self) -> Appender:
        assert self._appender is not None
        return self._appender

    def _know(self, group: Group) -> None:
        for delivery_id in group.ids:
            self._known.add(delivery_id, group.at)

    def is_removed(self) -> bool:
        """Whether somebody has removed the file that this process appends to."""
        return self._appender is not None and self._appender.is_removed()

    def prune(self) -> None:
        """Forget ids that are older than they are kept, and let a file go that the sink has read to its end."""
        oldest = time.time_ns() // 1_000 - self._keep_hours * HOUR
        self._known.forget_before(oldest)
        self._db.execute("delete from seen where hour < ?", (oldest // HOUR,))
        if self._appender is not None and self._appender.stored_seq <= self.consumed():
            self._appender.roll()
            self._release(self._appender.last_seq)

    # The sink's side

    def read(self, after: int, max_rows: int, max_bytes: int) -> list[Entry]:
        """Entries with a larger seq, in order; whole groups, so the limits are passed by less than one group."""
        after = max(after, self.consumed())
        if self._place is None or self._place.seq != after:
            if self._place is not None:
                self._place.close()
            self._place = Reading(self.folder, after)
        entries: list[Entry] = []
        size = 0
        while len(entries) < max_rows and size < max_bytes:
            frame = self._place.next()
            if frame is None:
                break
            size += len(frame.payload)
            entries += [Entry(seq, item) for seq, item in enumerate(_unpacked(frame), frame.first_seq) if seq > after]
        self._place.sync()
        return entries

    def delete_through(self, seq: int) -> None:
        """Note that entries up to `seq` are not needed any more; repeating it is harmless. Their ids stay known."""
        self._db.execute("pragma synchronous = normal")  # a forgotten note is only read again
        self._db.execute("update meta set value = ? where name = 'consumed' and value < ?", (seq, seq))
        self._db.execute("pragma synchronous = full")
        self._release(seq)

    def _release(self, seq: int) -> None:
        """Remove files whose entries are all at or before `seq`, once their ids are kept elsewhere."""
        begun: list[tuple[Path, int]] = []
        for path in reversed(segment_paths(self.folder)):  # the newest first: it tells that older ones are finished
            first = first_seq(path)
            if first is not None:
                begun.insert(0, (path, first))
            elif begun:
                path.unlink(missing_ok=True)  # what was to be written to it failed
        for (path, _), (_, following) in pairwise(begun):
            if following > seq + 1:
                return
            rows = [(at // HOUR, delivery_id) for at, delivery_id in ids_in(path)]
            self._db.execute("begin immediate")
            self._db.executemany("insert or ignore into seen values (?, ?)", rows)
            self._db.execute("commit")
            path.unlink(missing_ok=True)

    # Both sides

    def _start_anew_with_the_folder(self) -> None:
        """The numbers begin again in a folder that was made anew: nothing of it has been consumed."""
        stored = self._db.execute("select value from meta where name = 'journal'").fetchone()
        if stored is None or stored[0] != self.id:
            self._db.execute("begin immediate")
            if stored is not None:
                self._db.execute("update meta set value = 0 where name = 'consumed'")
            self._db.execute("insert or replace into meta values ('journal', ?)", (self.id,))
            self._db.execute("commit")

    def consumed(self) -> int:
        """The last number that the sink has given back."""
        return int(self._db.execute("select value from meta where name = 'consumed'").fetchone()[0])

    def last_seq(self) -> int:
        """The newest delivery's sequence number on disk, 0 before the first."""
        if self._appender is not None:
            return self._appender.stored_seq
        for path in reversed(segment_paths(self.folder)):
            segment = opened(path)
            if segment is None:
                continue
            stored = [frame.last_seq for _, frame in segment.frames() if frame.deliveries]
            segment.close()
            if stored:
                return stored[-1]
        return self.consumed()

    def depth(self) -> int:
        """How many deliveries wait for the sink."""
        return max(0, self.last_seq() - self.consumed())

    def close(self) -> None:
        if self._appender is not None:
            self._appender.close()
            os.close(self._lock)
            self._appender = None
        if self._place is not None:
            self._place.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def journals_in(folder: Path) -> list[Path]:
    """Each journal by the path of its `.db` file; where that was removed, opening the journal makes it anew."""
    by_segments = (path.parent.with_suffix(".db") for path in folder.glob("*.segments/id"))
    return sorted({*folder.glob("*.db"), *by_segments})


def unusable(path: Path, error: Exception) -> FrazilError:
    """The error to raise for a journal that cannot be opened; its class says whether another try may help."""
    lasting = no_folder(path, error)
    if lasting is not None:
        return lasting
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return PermanentError(
            f"{path}: {error}; stop the server, move the file aside and start again: the deliveries are in "
            f"{path.stem}.segments, and what raw has of them is not brought twice"
        )
    return RetryableError(
        f"{path}: the journal cannot be opened ({error}); is the disk full, or FRAZIL_HOME read-only?"
    )


def _payload(fresh: dict[bytes, Delivery]) -> list[bytes]:
    """Ids, length of the heads, heads, bodies: so ids can be read alone, and no body is copied."""
    heads = _encoder.encode(
        [
            (
                item.source,
                None if item.delivery_id is key else item.delivery_id,
                *item[2:4],
                len(item.body),
                item.reason,
            )
            for key, item in fresh.items()
        ]
    )
    return [b"".join(fresh), len(heads).to_bytes(4, "little"), heads, *(item.body for item in fresh.values())]


def _unpacked(frame: Frame) -> Iterator[Delivery]:
    payload = frame.payload
    place = frame.deliveries * ID_BYTES
    start = place + 4
    end = start + int.from_bytes(payload[place:start], "little")
    for number, head in enumerate(_decoder.decode(memoryview(payload)[start:end])):
        source, delivery_id, received_at, headers, length, reason = head
        if delivery_id is None:
            delivery_id = payload[number * ID_BYTES : (number + 1) * ID_BYTES]
        yield Delivery(source, delivery_id, received_at, headers, payload[end : end + length], reason)
        end += length


def _journal_id(folder: Path) -> str:
    """Drawn once per folder, whoever comes first."""
    path = folder / "id"
    if not path.exists():
        draft = folder / f"id.{uuid4().hex}"
        with draft.open("x", encoding="ascii") as file:
            file.write(uuid4().hex)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")
