"""How each table is to be kept: `meta.maintenance` of its folder in dbt_project.yml, of its source, or of itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.errors import UsageError

if TYPE_CHECKING:  # `frazil status` needs no dbt, which takes seconds to load
    from dbt.contracts.graph.manifest import Manifest


class Policy(BaseModel):
    """The defaults are those of tables that dbt does not know, such as `metadata.quarantine`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retention_days: float = Field(default=7, ge=0, description="Snapshots younger than that are kept.")
    keep_snapshots: int = Field(default=20, ge=1, description="The newest so many are kept whatever their age.")
    small_files: int = Field(default=16, ge=2, description="So many small files in one partition are put together.")
    delete_files: int = Field(default=4, ge=1, description="A file with so many delete files is written anew.")
    target_file_mb: int = Field(default=128, ge=1, description="Size of the files that compaction writes.")
    manifests: int = Field(default=50, ge=2, description="With more manifests than that they are written anew.")
    orphan_days: float = Field(default=3, ge=1, description="Files that no snapshot reaches go when they are so old.")

    @property
    def target_bytes(self) -> int:
        return self.target_file_mb * 1024 * 1024

    @property
    def small_bytes(self) -> int:
        """Below it a file is small; Iceberg's own share of the target."""
        return self.target_bytes * 3 // 4


def policies(manifest: "Manifest") -> dict[str, Policy]:
    """`schema.table` to the policy of every model, snapshot, seed and source; raises UsageError for a wrong one."""
    found = {}
    nodes = [node for name, node in manifest.nodes.items() if name.startswith(("model.", "snapshot.", "seed."))]
    for node in (*nodes, *manifest.sources.values()):
        meta = _meta(node)
        try:
            found[f"{node.schema}.{node.identifier}"] = Policy.model_validate(meta)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"{node.unique_id}: meta.maintenance.{place}: {first['msg']}") from error
    return found


def _meta(node: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (node.config.meta or {}).get("maintenance") or {}
    return found
