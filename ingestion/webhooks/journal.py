"""The durable queue between the server and the sink: one SQLite file (WAL, `synchronous=FULL`) per worker.

What `append` returned for is on disk. One commit holds one group: all deliveries that were waiting, as one row.
Sequence numbers grow by one per delivery and never go back, not even when the queue runs empty. One process
appends; another one may read and delete at the same time.
"""

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec

from ingestion.errors import PermanentError
from ingestion.webhooks.ids import HOUR, KnownIds

FORMAT = 1
_SCHEMA = """
create table meta (name text primary key, value text not null) without rowid;
create table groups (last_seq integer primary key, at integer not null, ids blob not null, data blob not null);
"""


class Delivery(NamedTuple):
    """One request as journalled.

    `received_at` is microseconds since 1970; `headers` a JSON object of the kept headers by lower-case name;
    `reason` is None for a good delivery, else why the door sends it to the quarantine.
    """

    source: str
    delivery_id: bytes
    received_at: int
    headers: bytes
    body: bytes
    reason: str | None


class Entry(NamedTuple):
    """A delivery and its place in the queue."""

    seq: int
    delivery: Delivery


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Delivery])


class Journal:
    """Open with `Journal.open`; an object belongs to one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, journal_id: str, keep_ids_hours: int) -> None:
        self.path = path
        self.id = journal_id
        self._db = connection
        self._keep_hours = keep_ids_hours
        self._known: KnownIds | None = None
        self._last_seq = 0

    @classmethod
    def open(cls, path: Path, keep_ids_hours: int = 96) -> Self:
        """Open or create; the id is drawn at creation, so a deleted and re-made file is another journal."""
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("pragma page_size = 32768")
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("begin immediate")
        if not db.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            values = (uuid4().hex, str(FORMAT))
            db.execute("insert into meta values ('id', ?), ('format', ?), ('consumed', '0')", values)
        db.execute("commit")
        meta = dict(db.execute("select name, value from meta"))
        if meta["format"] != str(FORMAT):
            found = meta["format"]
            raise PermanentError(
                f"{path}: journal format {found}, not {FORMAT}; drain it with the version that wrote it"
            )
        return cls(path, db, meta["id"], keep_ids_hours)

    def append(self, deliveries: list[Delivery]) -> list[int | None]:
        """Store what is new in one commit and return when it is on disk; None stands for a repeated delivery."""
        known = self._known or self._load_ids()
        fresh: dict[bytes, Delivery] = {}
        answers: list[int | None] = []
        for delivery in deliveries:
            if delivery.delivery_id in fresh or delivery.delivery_id in known:
                answers.append(None)
            else:
                fresh[delivery.delivery_id] = delivery
                answers.append(self._last_seq + len(fresh))
        if fresh:
            at = deliveries[-1].received_at
            row = (self._last_seq + len(fresh), at, b"".join(fresh), _encoder.encode(list(fresh.values())))
            self._db.execute("insert into groups values (?, ?, ?, ?)", row)
            self._last_seq += len(fresh)
            for delivery_id in fresh:
                known.add(delivery_id, at)
        return answers

    def _load_ids(self) -> KnownIds:
        known = self._known = KnownIds(self._keep_hours)
        self._last_seq = self.last_seq()
        for at, ids in self._db.execute("select at, ids from groups"):
            for start in range(0, len(ids), 16):
                known.add(ids[start : start + 16], at)
        return known

    def read(self, after: int, max_rows: int, max_bytes: int) -> list[Entry]:
        """Entries with a larger seq, in order; whole groups, so the limits are passed by less than one group."""
        entries: list[Entry] = []
        size = 0
        rows = self._db.execute("select last_seq, data from groups where last_seq > ? order by last_seq", (after,))
        for last_seq, data in rows:
            deliveries = _decoder.decode(data) if data else []
            first = last_seq - len(deliveries) + 1
            entries += [Entry(seq, item) for seq, item in enumerate(deliveries, first) if seq > after]
            size += len(data)
            if len(entries) >= max_rows or size >= max_bytes:
                break
        rows.close()
        return entries

    def delete_through(self, seq: int) -> None:
        """Forget groups that end at or before `seq`; repeating it is harmless. The ids stay known."""
        db = self._db
        db.execute("begin immediate")
        consumed = self._consumed()
        if seq > consumed:
            db.execute("update groups set data = x'' where last_seq > ? and last_seq <= ?", (consumed, seq))
            db.execute("update meta set value = ? where name = 'consumed'", (str(min(seq, self.last_seq())),))
        db.execute("commit")

    def prune(self, max_groups: int = 1_000) -> None:
        """Forget ids older than they are kept, some groups at a time."""
        oldest = time.time_ns() // 1_000 - self._keep_hours * HOUR
        if self._known is not None:
            self._known.forget_before(oldest)
        self._db.execute(
            "delete from groups where last_seq in (select last_seq from groups order by last_seq limit ?)"
            " and at < ? and last_seq <= ? and last_seq < (select max(last_seq) from groups)",
            (max_groups, oldest, self._consumed()),
        )

    def _consumed(self) -> int:
        return int(self._db.execute("select value from meta where name = 'consumed'").fetchone()[0])

    def last_seq(self) -> int:
        """The newest sequence number ever given, 0 before the first."""
        return int(self._db.execute("select coalesce(max(last_seq), 0) from groups").fetchone()[0])

    def depth(self) -> int:
        """How many deliveries wait for the sink."""
        return self.last_seq() - self._consumed()

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
