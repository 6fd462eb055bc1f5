"""Carrying a plan out, by Iceberg's own procedures in Spark, beside writers that go on committing.

Every step is one commit of its own: stopped anywhere, the table is whole, and the next run does what is left. Marks in
table properties and the rows stay as they are; a compaction is a `replace`, which no build takes for a change.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyiceberg.catalog import Catalog
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ingestion.bulk.marks import ABANDONED, abandoned
from ingestion.errors import RetryableError
from ingestion.lake.catalog import CATALOG_NAME
from ingestion.lake.maintenance.contents import Files, current_files
from ingestion.lake.maintenance.orphans import orphans, remove
from ingestion.lake.maintenance.plan import TablePlan
from ingestion.lake.tables import RUN_ID

log = logging.getLogger(__name__)

_TRIES = 5
_CONFLICTS = ("CommitFailedException", "ValidationException", "SQLITE_BUSY")
_EXPIRED_AT_ONCE = 500


@dataclass(frozen=True)
class Kept:
    """What was done to one table; `freed` in bytes."""

    name: str
    before: Files
    after: Files
    expired: int
    orphans: int
    freed: int
    seconds: float


class Maintenance:
    """Carries plans out with one Spark session, started when the first table needs it."""

    def __init__(self, catalog: Catalog, spark: Callable[[], SparkSession]) -> None:
        self._catalog = catalog
        self._spark = spark

    def carry_out(self, plans: Sequence[TablePlan]) -> list[Kept]:
        """Each plan that is not empty, table by table; raises RetryableError when writers were faster five times."""
        return [self._keep(plan) for plan in plans if not plan.is_empty]

    def _keep(self, plan: TablePlan) -> Kept:
        started = time.monotonic()
        if plan.abandoned:
            self._drop(plan)
        if plan.compacts:
            self._compact(plan)
        if plan.compacts or plan.rewrites_manifests:
            self._rewrite_manifests(plan)
            self._drop_emptied_manifests(plan.name)
        if plan.expired:
            self._expire(plan)
        table = self._catalog.load_table(plan.name)
        found = orphans(table, plan.policy.orphan_days, datetime.now(UTC)) if plan.orphans else []
        freed = remove(table, found) + plan.expired_bytes
        after = current_files(table, plan.policy)
        done = Kept(
            plan.name, plan.files, after, len(plan.expired), len(found), freed, round(time.monotonic() - started, 1)
        )
        log.info("kept", extra={"table": plan.name, "freed": freed, "files": after.data, "seconds": done.seconds})
        return done

    def _compact(self, plan: TablePlan) -> None:
        options = {
            "target-file-size-bytes": plan.policy.target_bytes,
            "min-file-size-bytes": plan.policy.small_bytes,
            "min-input-files": plan.policy.small_files,
            "delete-file-threshold": plan.policy.delete_files,
            # Builds, which alone write deletes, wait: so all deletes are older than the new files, and go.
            "use-starting-sequence-number": "false",
            "remove-dangling-deletes": "true",
        }
        pairs = ", ".join(f"'{key}', '{value}'" for key, value in options.items())
        self._call("rewrite_data_files", plan.name, f"options => map({pairs})")

    def _rewrite_manifests(self, plan: TablePlan) -> None:
        self._call("rewrite_manifests", plan.name, "use_caching => false")

    def _drop_emptied_manifests(self, name: str) -> None:
        """Leave out the manifests that only say which delete files went: every query would read them until a merge."""
        table = self._catalog.load_table(name)
        snapshot = table.current_snapshot()
        if snapshot is None:
            return
        emptied = {
            one.manifest_path
            for one in snapshot.manifests(table.io)
            if not one.has_added_files() and not one.has_existing_files()
        }
        if not emptied:
            return
        java: Any = self._spark()._jvm
        stored = java.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(
            self._spark()._jsparkSession, f"{CATALOG_NAME}.{name}"
        )
        commit = stored.rewriteManifests()
        for manifest in stored.currentSnapshot().allManifests(stored.io()):
            if manifest.path() in emptied:
                commit = commit.deleteManifest(manifest)
        try:
            commit.commit()
        except Py4JJavaError as error:
            if not any(word in str(error) for word in _CONFLICTS):
                raise
            log.warning("maintenance_met_a_writer", extra={"table": name, "step": "emptied manifests", "try": 1})

    def _expire(self, plan: TablePlan) -> None:
        """Exactly the snapshots of the plan: the age given is one that no other snapshot has."""
        ids = [one.snapshot_id for one in plan.expired]
        for first in range(0, len(ids), _EXPIRED_AT_ONCE):
            listed = ", ".join(f"{one}L" for one in ids[first : first + _EXPIRED_AT_ONCE])
            self._call(
                "expire_snapshots",
                plan.name,
                f"older_than => timestamp '1970-01-02 00:00:00', snapshot_ids => array({listed})",
            )

    def _drop(self, plan: TablePlan) -> None:
        """Delete the rows of abandoned copies, then forget the copies; killed in between, it is done again."""
        runs = ", ".join(f"'{run_id}'" for run_id in plan.abandoned)
        self._run("delete", plan.name, f"delete from {plan.name} where {RUN_ID.name} in ({runs})")
        with self._catalog.load_table(plan.name).transaction() as transaction:
            left = [one for one in abandoned(transaction.table_metadata.properties) if one not in plan.abandoned]
            if left:
                transaction.set_properties({ABANDONED: " ".join(left)})
            else:
                transaction.remove_properties(ABANDONED)

    def _call(self, procedure: str, name: str, arguments: str) -> list[Any]:
        return self._run(procedure, name, f"call {CATALOG_NAME}.system.{procedure}(table => '{name}', {arguments})")

    def _run(self, step: str, name: str, statement: str) -> list[Any]:
        """One statement, made anew when a writer's commit came in between."""
        for number in range(1, _TRIES + 1):
            try:
                return self._spark().sql(statement).collect()
            except (PySparkException, Py4JJavaError) as error:
                if not any(word in str(error) for word in _CONFLICTS):
                    raise
                log.warning("maintenance_met_a_writer", extra={"table": name, "step": step, "try": number})
                time.sleep(number)
        raise RetryableError(f"{name}: {step} met another writer's commit {_TRIES} times; run it again")
