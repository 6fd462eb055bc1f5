"""One append as one Iceberg commit that also carries how far its input was read.

pyiceberg's own `append` is not used: it repeats a failed commit by itself on top of whatever came in between,
which would let `_loaded_at` go backwards, it copies the whole metadata a dozen times a commit, and it needs
another package to write tables partitioned by day. The files are written with its public writers.
"""

import contextlib
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, NoSuchTableError
from pyiceberg.io.pyarrow import ParquetFormatWriter, schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadataV2
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, SnapshotSummaryCollector, Summary, update_snapshot_summaries
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)
from sqlalchemy.exc import SQLAlchemyError

from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.expire import MERGED_PROPERTY, Bin, due_ms, expirable, unreachable
from ingestion.lake.manifests import ManifestSet, manifests_of
from ingestion.lake.tables import LOADED_AT, RUN_ID, TIMESTAMP

log = logging.getLogger(__name__)

MARK_PREFIX = "frazil.journal."
LOADED_AT_PROPERTY = "frazil.loaded-at"  # microseconds since 1970 of the newest commit
_TRIES = 30
_STALE_STAMP = 30_000_000  # microseconds between the stamp and the commit after which rows are stamped again
_MICROSECONDS_A_DAY = 86_400_000_000


def now() -> int:
    """Microseconds since 1970 by the machine's clock."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Commit:
    """One committed append; `loaded_at` in microseconds since 1970, `seconds` from the first try on."""

    table: str
    rows: int
    loaded_at: int
    snapshot_id: int
    tries: int
    seconds: float


class MarkMovedError(RetryableError):
    """Somebody else read the same input: the batch must be read again from the table's mark."""


class AppendTable:
    """A table that is only appended to, by one commit per call and never twice for the same input.

    `clock` gives microseconds since 1970. `_loaded_at` is one value per commit and strictly later than that of
    the commit before, whatever the clock does.
    """

    def __init__(self, catalog: Catalog, name: str, clock: Callable[[], int] = now) -> None:
        self.name = name
        self.table = catalog.load_table(name)
        self._clock = clock
        self._manifests: tuple[int | None, list[ManifestFile]] = (None, [])
        self._bin = Bin(self.table.io)

    def mark(self, journal_id: str) -> int:
        """How far the rows of this input are in the table, as last seen; 0 at the start."""
        return int(self.table.properties.get(MARK_PREFIX + journal_id, 0))

    def append(self, rows: pa.Table, run_id: str, marks: Mapping[str, int]) -> Commit:
        """Commit `rows` (all columns but `_loaded_at` and `_run_id`) together with `marks`, or raise.

        Raises RetryableError when nothing was committed and the same call may succeed later, MarkMovedError when
        the batch must be read again.
        """
        started = time.monotonic()
        before = {journal: self.mark(journal) for journal in marks}
        for attempt in range(1, _TRIES + 1):
            done = self._try(rows, run_id, marks)
            if done is not None:
                loaded_at, snapshot_id = done
                return Commit(self.name, rows.num_rows, loaded_at, snapshot_id, attempt, time.monotonic() - started)
            if any(self.mark(journal) != seq for journal, seq in before.items()):
                raise MarkMovedError(f"{self.name}: another sink drains the same journal; stop one of them")
            time.sleep(random.uniform(0.01, 0.05) * min(attempt, 10))  # noqa: S311 - spreads writers, hides nothing
        raise RetryableError(f"{self.name}: {_TRIES} commits in a row met another writer's; run the command again")

    def _try(self, rows: pa.Table, run_id: str, marks: Mapping[str, int]) -> tuple[int, int] | None:
        """Stamp, write and commit once; None if another writer was faster (nothing of it is left then)."""
        attempt = _Attempt(self.table, self._clock)
        try:
            attempt.write(rows, run_id, marks, self._current_manifests())
        except OSError as error:
            attempt.discard()
            raise RetryableError(f"{self.name}: nothing committed, {_short(error)}") from error
        except BaseException:
            attempt.discard()
            raise
        if self._clock() - attempt.loaded_at > _STALE_STAMP:
            attempt.discard()
            return None
        try:
            attempt.commit()
        except CommitFailedException:
            attempt.discard()
            self.table.refresh()
            return None
        except NoSuchTableError as error:
            attempt.discard()
            raise PermanentError(f"{self.name} has been dropped; `frazil setup` makes it anew, empty") from error
        except (CommitStateUnknownException, OSError, SQLAlchemyError) as error:
            if not self._landed(attempt.snapshot_id, error):
                if not isinstance(error, CommitStateUnknownException):
                    attempt.discard()
                raise RetryableError(f"{self.name}: nothing committed, {_short(error)}") from error
        self._manifests = (attempt.snapshot_id, attempt.manifests)
        self._clean_up(attempt)
        return attempt.loaded_at, attempt.snapshot_id

    def _clean_up(self, attempt: "_Attempt") -> None:
        if attempt.expired:
            try:
                files = unreachable(attempt.base, attempt.expired, self.table.io)
            except OSError as error:  # other maintenance was here: what it left is its own to find
                log.warning("expired_files_left", extra={"table": self.name, "reason": _short(error)})
            else:
                self._bin.add(files, due_ms(attempt.expired[-1]))
        self._bin.empty(self._clock() // 1000)

    def _landed(self, snapshot_id: int, error: Exception) -> bool:
        """Whether a commit of unknown outcome is there after all."""
        try:
            self.table.refresh()
        except (OSError, SQLAlchemyError):
            raise RetryableError(f"{self.name}: the catalog does not answer, {_short(error)}") from error
        return self.table.snapshot_by_id(snapshot_id) is not None

    def _current_manifests(self) -> list[ManifestFile]:
        head = self.table.metadata.current_snapshot_id
        if head is None or self._manifests[0] != head:
            self._manifests = (head, manifests_of(self.table.metadata, head, self.table.io))
        return self._manifests[1]


class _Attempt:
    """The files and metadata changes of one try."""

    def __init__(self, table: Table, clock: Callable[[], int]) -> None:
        self._table = table
        assert isinstance(table.metadata, TableMetadataV2)
        self.base = table.metadata
        self.loaded_at = _next_stamp(table, clock())
        self.snapshot_id = table.metadata.new_snapshot_id()
        self.expired = expirable(table.metadata, self.loaded_at // 1000)
        self.manifests: list[ManifestFile] = []
        self._token = str(uuid.uuid4())
        self._data: list[str] = []
        self._metadata = ManifestSet(table, self.snapshot_id, self._token)

    def write(self, rows: pa.Table, run_id: str, marks: Mapping[str, int], manifests: list[ManifestFile]) -> None:
        """Write data file, manifest and manifest list; nothing refers to them yet."""
        metadata = self.base
        file = self._data_file(rows, run_id)
        parent = metadata.current_snapshot_id
        sequence_number = metadata.last_sequence_number + 1
        added = self._metadata.added([file])
        merged = self._metadata.merged(manifests)
        self.manifests = [added, *merged]
        location = self._metadata.listed(self.manifests, sequence_number, parent)
        properties = {MARK_PREFIX + journal: str(seq) for journal, seq in marks.items()}
        properties[LOADED_AT_PROPERTY] = str(self.loaded_at)
        notes = {**properties, "frazil.run-id": run_id}
        if len(merged) < len(manifests):
            notes[MERGED_PROPERTY] = str(len(manifests) - len(merged) + 1)
        snapshot = Snapshot.model_validate(
            {
                "snapshot-id": self.snapshot_id,
                "parent-snapshot-id": parent,
                "sequence-number": sequence_number,
                "timestamp-ms": self.loaded_at // 1000,
                "manifest-list": location,
                "summary": self._summary(file, notes),
                "schema-id": metadata.current_schema_id,
            }
        )
        self._requirements = (
            AssertTableUUID(uuid=metadata.table_uuid),
            AssertRefSnapshotId.model_validate({"ref": MAIN_BRANCH, "snapshot-id": parent}),
        )
        self._updates: tuple[TableUpdate, ...] = (
            SetPropertiesUpdate(updates=properties),
            AddSnapshotUpdate(snapshot=snapshot),
            SetSnapshotRefUpdate.model_validate(
                {"ref-name": MAIN_BRANCH, "type": SnapshotRefType.BRANCH, "snapshot-id": self.snapshot_id}
            ),
        )
        if self.expired:
            gone = [found.snapshot_id for found in self.expired]
            self._updates += (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": gone}),)

    def commit(self) -> None:
        self._table._do_commit(updates=self._updates, requirements=self._requirements)

    def discard(self) -> None:
        """Remove what was written: no snapshot refers to it."""
        for location in (*self._data, *self._metadata.written):
            with contextlib.suppress(OSError):
                self._table.io.delete(location)

    def _data_file(self, rows: pa.Table, run_id: str) -> DataFile:
        table = self._table
        spec = table.spec()
        day = self.loaded_at // _MICROSECONDS_A_DAY
        key = PartitionKey([PartitionFieldValue(field, day) for field in spec.fields], spec, table.schema())
        location = table.location_provider().new_data_location(f"00000-0-{self._token}.parquet", key)
        self._data.append(location)
        output = table.io.new_output(location)
        writer = ParquetFormatWriter(output, table.schema(), table.properties)
        with writer:
            writer.write(self._stamped(rows, run_id))
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=location,
            file_format=FileFormat.PARQUET,
            partition=key.partition,
            file_size_in_bytes=len(output),
            sort_order_id=None,
            spec_id=spec.spec_id,
            equality_ids=None,
            key_metadata=None,
            **writer.result().to_serialized_dict(),
        )

    def _stamped(self, rows: pa.Table, run_id: str) -> pa.Table:
        """`rows` in the stored table's column order, with the stamp; a column no longer configured is null."""
        size = rows.num_rows
        stamps = {
            LOADED_AT.name: pa.repeat(pa.scalar(self.loaded_at, TIMESTAMP), size),
            RUN_ID.name: pa.repeat(pa.scalar(run_id), size),
        }
        fields, arrays = [], []
        for field in schema_to_pyarrow(self._table.schema()):
            column = stamps.get(field.name)
            if column is None and field.name in rows.column_names:
                column = rows[field.name]
            if column is None:
                column = pa.nulls(size, field.type)
            fields.append(field.with_type(column.type))
            arrays.append(column)
        return pa.table(arrays, schema=pa.schema(fields))

    def _summary(self, file: DataFile, properties: Mapping[str, str]) -> Summary:
        metadata = self._table.metadata
        collector = SnapshotSummaryCollector()
        collector.add_file(file, metadata.schema(), metadata.spec())
        previous = metadata.current_snapshot()
        return update_snapshot_summaries(
            Summary(operation=Operation.APPEND, **collector.build(), **properties),
            previous.summary.additional_properties if previous and previous.summary else None,
        )


def _next_stamp(table: Table, clock: int) -> int:
    """Later than every commit before, by a millisecond at least: snapshots are told apart and ordered by it."""
    newest = int(table.properties.get(LOADED_AT_PROPERTY, 0)) // 1000
    snapshot = table.metadata.current_snapshot()
    if snapshot is not None:
        newest = max(newest, snapshot.timestamp_ms)
    return max(clock, (newest + 1) * 1000)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
