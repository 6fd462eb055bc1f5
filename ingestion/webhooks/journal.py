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

FORMAT = 1
_SCHEMA = """
create table meta (name text primary key, value text not null) without rowid;
create table groups (last_seq integer primary key, deliveries integer not null, data blob not null);
create table seen (id blob primary key, at integer not null) without rowid;
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

    def __init__(self, path: Path, connection: sqlite3.Connection, journal_id: str) -> None:
        self.path = path
        self.id = journal_id
        self._db = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create; the id is drawn at creation, so a deleted and re-made file is another journal."""
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("pragma page_size = 8192")
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("begin immediate")
        if not db.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute("insert into meta values ('id', ?), ('format', ?)", (uuid4().hex, str(FORMAT)))
        db.execute("commit")
        meta = dict(db.execute("select name, value from meta"))
        if meta["format"] != str(FORMAT):
            raise PermanentError(
                f"{path}: journal format {meta['format']} is not {FORMAT}; drain it with its own version"
            )
        return cls(path, db, meta["id"])

    def append(self, deliveries: list[Delivery]) -> list[int | None]:
        """Store what is new in one commit and return when it is on disk; None stands for a repeated delivery."""
        db = self._db
        db.execute("begin immediate")
        try:
            seq = self.last_seq()
            answers: list[int | None] = []
            fresh: list[Delivery] = []
            for delivery in deliveries:
                stored = db.execute(
                    "insert or ignore into seen values (?, ?)", (delivery.delivery_id, delivery.received_at)
                ).rowcount
                if stored:
                    fresh.append(delivery)
                    answers.append(seq + len(fresh))
                else:
                    answers.append(None)
            if fresh:
                db.execute(
                    "insert into groups values (?, ?, ?)", (seq + len(fresh), len(fresh), _encoder.encode(fresh))
                )
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise
        return answers

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
        self._db.execute("begin immediate")
        self._db.execute(
            "update groups set deliveries = 0, data = x'' where last_seq = ?", (min(seq, self.last_seq()),)
        )
        self._db.execute(
            "delete from groups where last_seq <= ? and last_seq < (select max(last_seq) from groups)", (seq,)
        )
        self._db.execute("commit")

    def prune_seen(self, keep_hours: int) -> int:
        """Forget ids older than `keep_hours`; returns how many."""
        oldest = time.time_ns() // 1_000 - keep_hours * 3_600_000_000
        return self._db.execute("delete from seen where at < ?", (oldest,)).rowcount

    def last_seq(self) -> int:
        """The newest sequence number ever given, 0 before the first."""
        return int(self._db.execute("select coalesce(max(last_seq), 0) from groups").fetchone()[0])

    def depth(self) -> int:
        """How many deliveries wait for the sink."""
        return int(self._db.execute("select coalesce(sum(deliveries), 0) from groups").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
