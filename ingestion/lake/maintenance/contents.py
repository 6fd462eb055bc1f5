"""What a table is made of at this moment: its files, what is small or has deletes, which snapshots may go."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyiceberg.manifest import DataFileContent, ManifestContent
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from ingestion.build.state import data_snapshot
from ingestion.lake.maintenance.policy import Policy


@dataclass(frozen=True)
class Files:
    """The current snapshot's files; `rewritten` are those that compaction would replace, of `rewritten_bytes`.

    `small` are those below the policy's bound where a partition has several: one file cannot be put together.
    """

    data: int = 0
    small: int = 0
    deletes: int = 0
    data_bytes: int = 0
    manifests: int = 0
    rewritten: int = 0
    rewritten_bytes: int = 0

    @property
    def needs_compaction(self) -> bool:
        return self.rewritten > 0


def current_files(table: Table, policy: Policy) -> Files:
    """Count what the current snapshot reaches, and what of it the policy has compacted."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return Files()
    manifests = [one for one in snapshot.manifests(table.io) if one.has_added_files() or one.has_existing_files()]
    deletes = 0
    for manifest in manifests:
        if manifest.content == ManifestContent.DELETES:
            deletes += (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
    tasks = list(table.scan().plan_files())
    small = Counter(_partition(task) for task in tasks if task.file.file_size_in_bytes < policy.small_bytes)
    rewritten = [task for task in tasks if _is_due(task, policy, small)]
    return Files(
        data=len(tasks),
        small=sum(count for count in small.values() if count > 1),
        deletes=deletes,
        data_bytes=sum(task.file.file_size_in_bytes for task in tasks),
        manifests=len(manifests),
        rewritten=len(rewritten),
        rewritten_bytes=sum(task.file.file_size_in_bytes for task in rewritten),
    )


def expirable(table: Table, policy: Policy, needed: Iterable[int], now_ms: int) -> list[Snapshot]:
    """Snapshots older than the policy keeps them, oldest first.

    Never among them: the current one, the one whose rows it has (if it only compacted), those named by a branch or
    tag, and the `needed`, which a model has read last and will compare with.
    """
    kept = {ref.snapshot_id for ref in table.metadata.refs.values()} | set(needed)
    kept |= {one for one in (data_snapshot(table), table.metadata.current_snapshot_id) if one is not None}
    newest = sorted(table.snapshots(), key=lambda one: one.timestamp_ms, reverse=True)
    limit = now_ms - policy.retention_days * 86_400_000
    old = [
        one
        for place, one in enumerate(newest)
        if place >= policy.keep_snapshots and one.timestamp_ms < limit and one.snapshot_id not in kept
    ]
    return old[::-1]


def reachable(table: Table, without: Iterable[int] = ()) -> dict[str, int]:
    """Every file that the table's snapshots reach, and its own metadata: location to bytes (0 where unknown).

    `without`: snapshots that count as gone.
    """
    gone = set(without)
    metadata = table.metadata
    found = {table.metadata_location: 0}
    found.update((entry.metadata_file, 0) for entry in metadata.metadata_log)
    found.update((entry.statistics_path, 0) for entry in (*metadata.statistics, *metadata.partition_statistics))
    seen = set()
    for snapshot in metadata.snapshots:
        if snapshot.snapshot_id in gone:
            continue
        found[snapshot.manifest_list] = 0
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            found[manifest.manifest_path] = manifest.manifest_length
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                found[entry.data_file.file_path] = entry.data_file.file_size_in_bytes
    return found


def _partition(task: Any) -> str:
    return repr(task.file.partition)


def _is_due(task: Any, policy: Policy, small: Counter[str]) -> bool:
    positional = [one for one in task.delete_files if one.content != DataFileContent.DATA]
    is_small = task.file.file_size_in_bytes < policy.small_bytes
    return len(positional) >= policy.delete_files or (is_small and small[_partition(task)] >= policy.small_files)
