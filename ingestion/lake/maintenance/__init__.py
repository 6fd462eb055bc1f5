"""Keeping tables cheap to read and to write: compaction, fewer manifests, old snapshots and lost files removed."""
