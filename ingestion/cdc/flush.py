"""What a flush holds of one raw table, and its one commit: rows and the places of their partitions, or nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.table import Table

from ingestion.cdc.followed import Followed, is_waited_for
from ingestion.cdc.intake import Partition, Rejected, Taken
from ingestion.cdc.offsets import Copies, Offset, copies_of, encoded_offset, key_of, stored_offset
from ingestion.errors import RetryableError
from ingestion.lake.append import Commit, MarkMovedError, Marks

Place = tuple[str, int]


class CopyBegunError(RetryableError):
    """A copy of the table was begun meanwhile: the same changes must be ranked again."""


@dataclass
class Pile:
    """Rows of one raw table from some partitions, ranked by what `copies` had seen. The broker was `told` of places."""

    followed: Followed
    copies: Copies
    parts: list[pa.Table] = field(default_factory=list)
    before: dict[Place, Offset | None] = field(default_factory=dict)
    after: dict[Place, Offset] = field(default_factory=dict)
    rejected: dict[Place, list[Rejected]] = field(default_factory=dict)
    counts: Taken = field(default_factory=Taken)
    rows: int = 0
    told: dict[Place, Offset] = field(default_factory=dict)
    begun_at: float = field(default_factory=time.monotonic)

    def add(self, partition: Partition, stored: Offset | None, taken: Taken) -> None:
        """What was taken from a partition, whose mark in the lake was `stored` before anything of it was."""
        self.before.setdefault(partition.place, stored)
        self.after[partition.place] = partition.offset
        if taken.rows is not None:
            self.parts.append(taken.rows)
            self.rows += taken.rows.num_rows
        if taken.rejected:
            self.rejected.setdefault(partition.place, []).extend(taken.rejected)
        for name in ("messages", "bytes", "tombstones", "seen", "events"):
            setattr(self.counts, name, getattr(self.counts, name) + getattr(taken, name))

    def commit(self, run_id: str) -> Commit | None:
        """One commit with all rows and marks. Raises MarkMovedError, CopyBegunError, or as AppendTable does."""
        table = self.followed.raw
        if not self.parts:
            return table.commit([], lambda stored, files: self._decided(stored, run_id))
        try:
            with table.new_file(run_id) as writer:
                for part in _alike(self.parts):
                    writer.write(part)
                written = writer.finish()
        except OSError as error:
            raise RetryableError(f"{table.name}: nothing committed, {error}") from error
        return table.commit([written], lambda stored, files: self._decided(stored, run_id))

    def _decided(self, stored: Table, run_id: str) -> Marks:
        for (topic, partition), mark in self.before.items():
            if stored_offset(stored.properties, topic, partition) != mark:
                raise MarkMovedError(f"{self.followed.name}: another sink has written {topic}/{partition}")
        copies = copies_of(stored)
        if (copies.views, copies.base) != (self.copies.views, self.copies.base) or is_waited_for(copies):
            raise CopyBegunError(f"{self.followed.name}: a copy has begun")
        marks = {key_of(*place): encoded_offset(offset) for place, offset in self.after.items()}
        return Marks(marks, (), {"frazil.run-id": run_id, **marks})


def _alike(parts: list[pa.Table]) -> list[pa.Table]:
    """The parts with one schema: a column may have been added or widened between them."""
    if all(part.schema.equals(parts[0].schema) for part in parts):
        return parts
    return [pa.concat_tables(parts, promote_options="permissive")]


def moved(after: Mapping[Place, Offset]) -> dict[Place, int]:
    """The offsets alone."""
    return {place: offset.next for place, offset in after.items()}
