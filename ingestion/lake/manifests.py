"""Manifests of an append-only table: one per commit, merged in tiers so that a commit's cost stays flat.

A snapshot's manifest list names every manifest of the table and is written anew by each commit. Merging `FAN_OUT`
manifests of one tier into one of the next keeps the list short, and touches each data file's entry once a tier.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyiceberg.avro.codecs import AvroCompressionCodec
from pyiceberg.io import FileIO
from pyiceberg.manifest import (
    UNASSIGNED_SEQ,
    DataFile,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata

FAN_OUT = 16
_TIERS = (FAN_OUT, FAN_OUT**2)  # manifests of up to so many files are merged; larger ones stay as they are
_COMPRESSION: AvroCompressionCodec = "deflate"


@dataclass
class ManifestSet:
    """What one commit writes below `metadata/`; `written` is complete even when writing failed midway."""

    table: Table
    snapshot_id: int
    token: str
    written: list[str] = field(default_factory=list)

    def added(self, files: Sequence[DataFile]) -> ManifestFile:
        """A manifest that adds `files` to the table."""
        with self._manifest() as writer:
            for file in files:
                writer.add(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED, snapshot_id=self.snapshot_id, data_file=file
                    )
                )
        return writer.to_manifest_file()

    def merged(self, manifests: Sequence[ManifestFile]) -> list[ManifestFile]:
        """Committed `manifests` with each full tier replaced by one manifest that holds the same living files."""
        spec_id = self.table.metadata.default_spec_id
        tiers: defaultdict[int, list[ManifestFile]] = defaultdict(list)
        kept = []
        for manifest in manifests:
            tier = _tier(manifest, spec_id)
            if tier is None:
                kept.append(manifest)
            else:
                tiers[tier].append(manifest)
        for tier in sorted(tiers):
            if len(tiers[tier]) < FAN_OUT:
                kept.extend(tiers[tier])
            else:
                kept.append(self._merge(tiers[tier]))
        return kept

    def listed(self, manifests: Sequence[ManifestFile], sequence_number: int, parent: int | None) -> str:
        """Write the manifest list; `manifests` get their sequence numbers. Returns its location."""
        for manifest in manifests:
            if manifest.added_snapshot_id == self.snapshot_id:
                manifest.sequence_number = sequence_number
                if manifest.min_sequence_number == UNASSIGNED_SEQ:
                    manifest.min_sequence_number = sequence_number
        location = self._location(f"snap-{self.snapshot_id}-0-{self.token}.avro")
        with write_manifest_list(
            format_version=2,
            output_file=self.table.io.new_output(location),
            snapshot_id=self.snapshot_id,
            parent_snapshot_id=parent,
            sequence_number=sequence_number,
            avro_compression=_COMPRESSION,
        ) as writer:
            writer.add_manifests(list(manifests))
        return location

    def _merge(self, manifests: Sequence[ManifestFile]) -> ManifestFile:
        with self._manifest() as writer:
            for manifest in manifests:
                for entry in manifest.fetch_manifest_entry(self.table.io, discard_deleted=True):
                    writer.existing(entry)
        return writer.to_manifest_file()

    def _manifest(self) -> ManifestWriter:
        location = self._location(f"{self.token}-m{len(self.written)}.avro")
        return write_manifest(
            format_version=2,
            spec=self.table.spec(),
            schema=self.table.schema(),
            output_file=self.table.io.new_output(location),
            snapshot_id=self.snapshot_id,
            avro_compression=_COMPRESSION,
        )

    def _location(self, name: str) -> str:
        location = self.table.location_provider().new_metadata_location(name)
        self.written.append(location)
        return location


def manifests_of(metadata: TableMetadata, snapshot_id: int | None, io: FileIO) -> list[ManifestFile]:
    """The manifests with living files (or deletes) that a snapshot names; none for a table without snapshots."""
    snapshot = None if snapshot_id is None else metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        return []
    return [found for found in snapshot.manifests(io) if found.has_added_files() or found.has_existing_files()]


def _tier(manifest: ManifestFile, spec_id: int) -> int | None:
    if manifest.content != ManifestContent.DATA or manifest.partition_spec_id != spec_id:
        return None
    files = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
    return next((number for number, limit in enumerate(_TIERS) if files < limit), None)
