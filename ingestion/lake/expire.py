"""Which snapshots an append drops from the metadata, and which files nobody can reach after that.

Snapshots are kept for readers that named one a while ago (`version as of`), in a bounded number: each one kept is
written again by every commit. Files go later than snapshots: a reader may have loaded the metadata just before.
"""

import contextlib
from collections import deque
from collections.abc import Iterable, Sequence

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation, Snapshot

KEEP_NEWEST = 20
KEEP_AT_MOST = 180
READER_MINUTES = 10
MERGED_PROPERTY = "frazil.merged-manifests"
_BATCH = 10
_READER_MS = READER_MINUTES * 60_000


def expirable(metadata: TableMetadata, now_ms: int) -> list[Snapshot]:
    """The snapshots to drop with the next commit, oldest first; often none, then `_BATCH` or more at once.

    The newest `KEEP_NEWEST` always stay; older ones go after `READER_MINUTES`, or beyond `KEEP_AT_MOST`. Snapshots
    named by a branch or tag, and what is not an ancestor of the table's state, are left to maintenance.
    """
    if len(metadata.snapshots) < KEEP_NEWEST + _BATCH:
        return []
    history = _ancestors(metadata)
    named = {ref.snapshot_id for ref in metadata.refs.values()}
    old = [
        found
        for place, found in enumerate(history)
        if place >= KEEP_NEWEST and (place >= KEEP_AT_MOST or found.timestamp_ms < now_ms - _READER_MS)
    ]
    if len(old) < _BATCH or any(found.snapshot_id in named for found in old):
        return []
    return old[::-1]


def unreachable(metadata: TableMetadata, expired: Sequence[Snapshot], io: FileIO) -> list[str]:
    """The files that only `expired` (oldest first, in a row) reach; `metadata` still holds these snapshots.

    Empty if the table has other branches or tags: they may share the files.
    """
    if set(metadata.refs) - {MAIN_BRANCH}:
        return []
    last = expired[-1].snapshot_id
    successor = next((found for found in metadata.snapshots if found.parent_snapshot_id == last), None)
    if successor is None:
        return []
    files = [found.manifest_list for found in expired]
    for older, newer in zip(expired, [*expired[1:], successor], strict=True):
        if newer.summary is None or newer.summary.operation != Operation.APPEND:
            files += _dropped(older, newer, io, data=True)
        elif MERGED_PROPERTY in newer.summary.additional_properties:
            files += _dropped(older, newer, io, data=False)
    return files


class Bin:
    """Files to delete once no reader can have a use for them; what is not due when the process ends stays behind."""

    def __init__(self, io: FileIO) -> None:
        self._io = io
        self._files: deque[tuple[int, str]] = deque()

    def add(self, files: Iterable[str], due_ms: int) -> None:
        self._files.extend((due_ms, file) for file in files)

    def empty(self, now_ms: int) -> int:
        """Delete what is due; returns how many files. A file that is gone already is no error."""
        count = 0
        while self._files and self._files[0][0] <= now_ms:
            with contextlib.suppress(OSError):
                self._io.delete(self._files[0][1])
            self._files.popleft()
            count += 1
        return count


def due_ms(snapshot: Snapshot) -> int:
    """When the files of an expired snapshot may go."""
    return snapshot.timestamp_ms + _READER_MS


def _ancestors(metadata: TableMetadata) -> list[Snapshot]:
    """The current snapshot and its parents, newest first, as far as they are kept."""
    by_id = {found.snapshot_id: found for found in metadata.snapshots}
    chain = []
    current = by_id.get(metadata.current_snapshot_id or -1)
    while current is not None:
        chain.append(current)
        current = by_id.get(current.parent_snapshot_id or -1)
    return chain


def _dropped(older: Snapshot, newer: Snapshot, io: FileIO, *, data: bool) -> list[str]:
    """Manifests of `older` that `newer` replaced, and with `data` the files that it removed from the table."""
    before, after = set(older.manifests(io)), set(newer.manifests(io))
    gone = [manifest.manifest_path for manifest in before - after]
    if data:
        gone += _files(before - after, io) - _files(after - before, io)
    return gone


def _files(manifests: Iterable[ManifestFile], io: FileIO) -> set[str]:
    return {entry.data_file.file_path for found in manifests for entry in found.fetch_manifest_entry(io)}
