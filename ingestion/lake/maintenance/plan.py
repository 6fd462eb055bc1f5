"""What maintenance would do to each table, why, and what that frees; nothing is changed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from ingestion.bulk.marks import abandoned
from ingestion.errors import UsageError
from ingestion.lake.catalog import NAMESPACES
from ingestion.lake.maintenance.contents import Files, current_files, expirable, reachable
from ingestion.lake.maintenance.needed import needed_snapshots
from ingestion.lake.maintenance.orphans import Orphan, orphans
from ingestion.lake.maintenance.policy import Policy


@dataclass(frozen=True)
class TablePlan:
    """One table; an empty plan (`is_empty`) leaves it as it is."""

    name: str
    policy: Policy
    files: Files
    snapshots: int
    expired: Sequence[Snapshot] = ()
    expired_bytes: int = 0
    orphans: Sequence[Orphan] = field(default=(), repr=False)
    abandoned: Sequence[str] = ()  # runs of bulk loads that a newer copy has overtaken: their rows are deleted

    @property
    def compacts(self) -> bool:
        return self.files.needs_compaction

    @property
    def rewrites_manifests(self) -> bool:
        return self.files.manifests > self.policy.manifests

    @property
    def frees(self) -> int:
        """Bytes given back at once; what compaction replaces is freed when its snapshots expire."""
        return self.expired_bytes + sum(one.size for one in self.orphans)

    @property
    def is_empty(self) -> bool:
        return not (self.compacts or self.rewrites_manifests or self.expired or self.orphans or self.abandoned)


def plan_lake(catalog: Catalog, policies: Mapping[str, Policy], only: Sequence[str] = ()) -> list[TablePlan]:
    """A plan for every table of the lake, or for `only` these; raises UsageError for a table that there is not."""
    present = [".".join(name) for space in _namespaces(catalog) for name in catalog.list_tables(space)]
    missing = sorted(set(only) - set(present))
    if missing:
        raise UsageError(f"no such table: {', '.join(missing)}; `frazil status` lists them")
    needed = needed_snapshots(catalog)
    names = sorted(only or present)
    return [
        plan_table(catalog.load_table(name), name, policies.get(name, Policy()), needed.get(name, ())) for name in names
    ]


def plan_table(
    table: Table, name: str, policy: Policy, needed: Sequence[int] | set[int] = (), now: datetime | None = None
) -> TablePlan:
    """The plan of one table whose snapshots `needed` must stay."""
    moment = now or datetime.now(UTC)
    expired = expirable(table, policy, needed, int(moment.timestamp() * 1000))
    return TablePlan(
        name=name,
        policy=policy,
        files=current_files(table, policy),
        snapshots=len(table.snapshots()),
        expired=expired,
        expired_bytes=_only_in(table, expired),
        orphans=orphans(table, policy.orphan_days, moment),
        abandoned=abandoned(table.properties),
    )


def _only_in(table: Table, expired: Sequence[Snapshot]) -> int:
    if not expired:
        return 0
    kept = reachable(table, without=[one.snapshot_id for one in expired])
    return sum(size for location, size in reachable(table).items() if location not in kept)


def _namespaces(catalog: Catalog) -> list[str]:
    present = {name[0] for name in catalog.list_namespaces()}
    return [*(name for name in NAMESPACES if name in present), *sorted(present - set(NAMESPACES))]
