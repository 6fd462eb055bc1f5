"""One append as one Iceberg commit that also carries how far its input was read.

pyiceberg's own `append` is not used: it repeats a failed commit by itself on top of whatever came in between,
which would let `_loaded_at` go backwards, it copies the whole metadata a dozen times a commit, and it needs
another package to write tables partitioned by day. The files are written with its public writers.
"""

import contextlib
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, NoSuchTableError
from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadataV2
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, SnapshotSummaryCollector, Summary, update_snapshot_summaries
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemovePropertiesUpdate,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)
from sqlalchemy.exc import SQLAlchemyError

from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.datafile import FileWriter, WrittenFile
from ingestion.lake.expire import MERGED_PROPERTY, Bin, due_ms, expirable, unreachable
from ingestion.lake.manifests import ManifestSet, manifests_of

log = logging.getLogger(__name__)

MARK_PREFIX = "frazil.journal."
LOADED_AT_PROPERTY = "frazil.loaded-at"  # microseconds since 1970 of the newest commit
_RUN_ID_NOTE = "frazil.run-id"
_TRIES = 30
_STALE_STAMP = 30_000_000  # microseconds between the stamp and the commit after which rows are stamped again


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


@dataclass(frozen=True)
class Marks:
    """What one commit writes beside its rows: table properties set and removed, and notes of the snapshot alone."""

    set: Mapping[str, str]
    remove: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


class AppendTable:
    """A table that is only appended to, by one commit per call and never twice for the same input.

    `clock` gives microseconds since 1970. The load time of a commit is strictly later than that of the commit before,
    whatever the clock does. Files may be written and committed by several threads.
    """

    def __init__(self, catalog: Catalog, name: str, clock: Callable[[], int] = now) -> None:
        self.name = name
        self.table = catalog.load_table(name)
        self._clock = clock
        self._manifests: tuple[int | None, list[ManifestFile]] = (None, [])
        self._bin = Bin(self.table.io)
        self._last_stamp = 0
        self._lock = threading.Lock()
        self._stamping = threading.Lock()

    def mark(self, journal_id: str) -> int:
        """How far the rows of this input are in the table, as last seen; 0 at the start."""
        return int(self.table.properties.get(MARK_PREFIX + journal_id, 0))

    def marks(self) -> dict[str, int]:
        """How far the rows of each input are in the table, as last seen."""
        found = self.table.properties.items()
        return {name.removeprefix(MARK_PREFIX): int(seq) for name, seq in found if name.startswith(MARK_PREFIX)}

    def append(
        self,
        rows: pa.Table | None,
        run_id: str,
        marks: Mapping[str, int],
        *,
        before: Mapping[str, int] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> Commit:
        """Commit `rows` (all columns but `_loaded_at` and `_run_id`; None: the marks alone) together with `marks` and
        the properties `notes`, or raise.

        `_loaded_at` is the commit's own. A mark never goes back: after a death, the same input may come again in
        smaller batches. `before` are the marks that the rows were chosen by, if not those known now. Raises
        RetryableError when nothing was committed and the same call may succeed later, MarkMovedError when the batch
        must be read again.
        """
        known = before or {journal: self.mark(journal) for journal in marks}
        reached = {MARK_PREFIX + journal: str(max(seq, known[journal])) for journal, seq in marks.items()}
        noted = Marks({**reached, **(notes or {})}, (), {_RUN_ID_NOTE: run_id})

        def decide(table: Table) -> Marks:
            if any(self.mark(journal) != seq for journal, seq in known.items()):
                raise MarkMovedError(f"{self.name}: another sink drains the same journal; stop one of them")
            return noted

        def write(loaded_at: int) -> list[WrittenFile]:
            if rows is None:
                return []
            with FileWriter(self.table, loaded_at, run_id) as writer:
                writer.write(rows)
                return [writer.finish()]

        done = self._commit(write, decide, is_stamped_anew=True)
        assert done is not None
        return done

    def new_file(self, run_id: str) -> FileWriter:
        """A data file for a later `commit`, stamped with this moment and like no other of this object."""
        return FileWriter(self.table, self._stamp(), run_id)

    def commit(
        self,
        files: Sequence[WrittenFile],
        decide: Callable[[Table, Sequence[WrittenFile]], Marks | None],
        *,
        stamps_age: bool = True,
    ) -> Commit | None:
        """Commit `files` (none: the marks alone) with what `decide` says of them and of the table as it is then.

        `decide` is called anew before every try; when it returns None or raises, nothing is committed. Files that are
        not committed are deleted. A file whose stamp has grown old is written anew, unless stamps may be of any age.
        Raises as `append` does.
        """
        held = list(files)

        def decide_fresh(table: Table) -> Marks | None:
            oldest = self._clock() - _STALE_STAMP // 2
            if stamps_age:
                held[:] = [one if one.loaded_at > oldest else one.stamped(table, self._stamp()) for one in held]
            return decide(table, held)

        with self._lock:
            return self._commit(lambda _: held, decide_fresh, is_stamped_anew=False, written=held)

    def _stamp(self) -> int:
        """This moment, and later than any stamp given before by this object."""
        with self._stamping:
            self._last_stamp = max(self._clock(), self._last_stamp + 1)
            return self._last_stamp

    def _commit(
        self,
        write: Callable[[int], list[WrittenFile]],
        decide: Callable[[Table], Marks | None],
        *,
        is_stamped_anew: bool,
        written: list[WrittenFile] | None = None,
    ) -> Commit | None:
        """The tries of one commit; `written` is deleted when it is sure that it was not committed."""
        started = time.monotonic()
        kept = [] if written is None else written
        for number in range(1, _TRIES + 1):
            try:
                marks = self._decided(decide)
            except BaseException:
                _discard(kept, self.table)
                raise
            if marks is None:
                _discard(kept, self.table)
                return None
            attempt = _Attempt(self.table, self._clock, is_stamped_anew)
            if self._try(attempt, write, marks, kept):
                seconds = time.monotonic() - started
                return Commit(self.name, attempt.rows, attempt.loaded_at, attempt.snapshot_id, number, seconds)
            time.sleep(random.uniform(0.01, 0.05) * min(number, 10))  # noqa: S311 - spreads writers, hides nothing
        _discard(kept, self.table)
        raise RetryableError(f"{self.name}: {_TRIES} commits in a row met another writer's; run the command again")

    def _decided(self, decide: Callable[[Table], Marks | None]) -> Marks | None:
        """What `decide` says of the newest table, if it refuses the one that this object saw last: the input may have
        been chosen by marks that another writer has set since."""
        try:
            return decide(self.table)
        except MarkMovedError:
            self._refresh()
            return decide(self.table)

    def _try(
        self,
        attempt: "_Attempt",
        write: Callable[[int], list[WrittenFile]],
        marks: Marks,
        kept: list[WrittenFile],
    ) -> bool:
        """Write and commit once; False if another writer was faster (nothing of the try is left then)."""
        try:
            attempt.write(write(attempt.loaded_at), marks, self._current_manifests())
        except OSError as error:
            attempt.discard(kept)
            raise RetryableError(f"{self.name}: nothing committed, {_short(error)}") from error
        except BaseException:
            attempt.discard(kept)
            raise
        if self._clock() - attempt.loaded_at > _STALE_STAMP:
            attempt.discard()
            return False
        try:
            attempt.commit()
        except CommitFailedException:
            attempt.discard()
            self.table.refresh()
            return False
        except NoSuchTableError as error:
            attempt.discard(kept)
            raise PermanentError(f"{self.name} has been dropped; `frazil setup` makes it anew, empty") from error
        except (CommitStateUnknownException, OSError, SQLAlchemyError) as error:
            if not self._landed(attempt.snapshot_id, error):
                if not isinstance(error, CommitStateUnknownException):
                    attempt.discard(kept)
                raise RetryableError(f"{self.name}: nothing committed, {_short(error)}") from error
        self._manifests = (attempt.snapshot_id, attempt.manifests)
        self._clean_up(attempt)
        return True

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
            self._refresh()
        except RetryableError:
            raise RetryableError(f"{self.name}: the catalog does not answer, {_short(error)}") from error
        return self.table.snapshot_by_id(snapshot_id) is not None

    def _refresh(self) -> None:
        try:
            self.table.refresh()
        except (OSError, SQLAlchemyError) as error:
            raise RetryableError(f"{self.name}: the catalog does not answer, {_short(error)}") from error

    def _current_manifests(self) -> list[ManifestFile]:
        head = self.table.metadata.current_snapshot_id
        if head is None or self._manifests[0] != head:
            self._manifests = (head, manifests_of(self.table.metadata, head, self.table.io))
        return self._manifests[1]


class _Attempt:
    """The metadata changes of one try, and its data files if they are made for it alone (`is_stamped_anew`)."""

    def __init__(self, table: Table, clock: Callable[[], int], is_stamped_anew: bool) -> None:
        self._table = table
        assert isinstance(table.metadata, TableMetadataV2)
        self.base = table.metadata
        self.loaded_at = _next_stamp(table, clock())
        self.snapshot_id = table.metadata.new_snapshot_id()
        self.expired = expirable(table.metadata, self.loaded_at // 1000)
        self.manifests: list[ManifestFile] = []
        self.rows = 0
        self._own: list[WrittenFile] = []
        self._is_stamped_anew = is_stamped_anew
        self._metadata = ManifestSet(table, self.snapshot_id, str(uuid.uuid4()))

    def write(self, files: list[WrittenFile], marks: Marks, manifests: list[ManifestFile]) -> None:
        """Write manifest and manifest list; nothing refers to them yet."""
        self._own = list(files) if self._is_stamped_anew else []
        metadata = self.base
        parent = metadata.current_snapshot_id
        sequence_number = metadata.last_sequence_number + 1
        added = [self._metadata.added([file.data_file for file in files])] if files else []
        merged = self._metadata.merged(manifests)
        self.manifests = [*added, *merged]
        self.rows = sum(file.rows for file in files)
        location = self._metadata.listed(self.manifests, sequence_number, parent)
        properties = {**marks.set, LOADED_AT_PROPERTY: str(self.loaded_at)}
        notes = {**(properties if self._is_stamped_anew else {}), **marks.notes}
        if len(merged) < len(manifests):
            notes[MERGED_PROPERTY] = str(len(manifests) - len(merged) + 1)
        snapshot = Snapshot.model_validate(
            {
                "snapshot-id": self.snapshot_id,
                "parent-snapshot-id": parent,
                "sequence-number": sequence_number,
                "timestamp-ms": self.loaded_at // 1000,
                "manifest-list": location,
                "summary": self._summary([file.data_file for file in files], notes),
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
        if marks.remove:
            self._updates += (RemovePropertiesUpdate(removals=list(marks.remove)),)
        if self.expired:
            gone = [found.snapshot_id for found in self.expired]
            self._updates += (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": gone}),)

    def commit(self) -> None:
        self._table._do_commit(updates=self._updates, requirements=self._requirements)

    def discard(self, kept: Sequence[WrittenFile] = ()) -> None:
        """Remove what was written for this try, and `kept`: no snapshot refers to it."""
        _discard([*self._own, *kept], self._table)
        for location in self._metadata.written:
            with contextlib.suppress(OSError):
                self._table.io.delete(location)

    def _summary(self, files: Sequence[DataFile], properties: Mapping[str, str]) -> Summary:
        metadata = self._table.metadata
        collector = SnapshotSummaryCollector()
        for file in files:
            collector.add_file(file, metadata.schema(), metadata.spec())
        previous = metadata.current_snapshot()
        return update_snapshot_summaries(
            Summary(operation=Operation.APPEND, **collector.build(), **properties),
            previous.summary.additional_properties if previous and previous.summary else None,
        )


def _discard(files: Sequence[WrittenFile], table: Table) -> None:
    for file in files:
        with contextlib.suppress(OSError):
            table.io.delete(file.data_file.file_path)


def _next_stamp(table: Table, clock: int) -> int:
    """Later than every commit before, by a millisecond at least: snapshots are told apart and ordered by it."""
    newest = int(table.properties.get(LOADED_AT_PROPERTY, 0)) // 1000
    snapshot = table.metadata.current_snapshot()
    if snapshot is not None:
        newest = max(newest, snapshot.timestamp_ms)
    return max(clock, (newest + 1) * 1000)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
