"""A lake built in this process: deliveries through the real journal and sink, models through the real dbt."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from dbt.cli.main import dbtRunner
from pyiceberg.catalog import Catalog

from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import drain
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.journal import Delivery, Journal
from tests.support.parsing import parsed
from tests.support.spark import session_for

LAYERS = ("staging", "semantic", "analytics", "marts")


class Lake:
    """The lake of `settings`, built by a dbt project; making it points this process's Spark and dbt to it."""

    def __init__(self, settings: Settings, project: Path = PROJECT_ROOT) -> None:
        self.settings = settings
        self._project = project
        self.spark = session_for(settings)
        self.catalog: Catalog = open_catalog(settings)

    def land(self, deliveries: Iterable[Delivery], worker: int = 0) -> None:
        """Journal `deliveries` as server worker number `worker` does, and drain them into raw."""
        self.settings.journal_dir.mkdir(parents=True, exist_ok=True)
        with Journal.open(self.settings.journal_dir / f"worker-{worker}.db") as journal:
            journal.append(list(deliveries))
        drain(self.settings)

    def dbt(self, *words: str) -> None:
        """One dbt command, in the session that is there; fails the test with the failing nodes' messages."""
        target = self.settings.home_dir / "dbt"
        paths = ["--target-path", str(target), "--log-path", str(target / "logs"), "--log-level-file", "info"]
        options = ["--quiet", "--target", "started", "--no-write-json", *paths]
        done = dbtRunner(parsed(self._project)).invoke([*words, *options, "--project-dir", str(self._project)])
        failed = [f"{one.node.name}: {one.message}" for one in getattr(done.result, "results", []) if one.failures]
        errors = [
            f"{one.node.name}: {one.message}" for one in getattr(done.result, "results", []) if one.status == "error"
        ]
        assert done.success, f"dbt {' '.join(words)}: {done.exception or errors or failed}"

    def tables(self, layers: Sequence[str] = LAYERS) -> list[str]:
        """`schema.table` of every table of these layers."""
        return sorted(".".join(name) for layer in layers for name in self.catalog.list_tables(layer))

    def read(self, name: str) -> pa.Table:
        """A whole table, as it is now."""
        return self.catalog.load_table(name).scan().to_arrow()

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A whole table as dictionaries."""
        rows: list[dict[str, Any]] = self.read(name).to_pylist()
        return rows

    def forget(self, name: str) -> None:
        """Expire all snapshots of a table but the newest: what came since an older one is not known any more."""
        table = self.catalog.load_table(name)
        newest = table.current_snapshot()
        older = [one.snapshot_id for one in table.snapshots() if one != newest]
        if older:
            table.maintenance.expire_snapshots().by_ids(older).commit()

    def snapshot_ids(self) -> dict[str, list[int]]:
        """Every table's snapshots: two equal answers mean that nothing was committed in between."""
        layers = ("raw", *LAYERS, "metadata", "snapshots")
        present = [layer for layer in layers if self.catalog.namespace_exists(layer)]
        return {
            name: [snapshot.snapshot_id for snapshot in self.catalog.load_table(name).snapshots()]
            for name in self.tables(present)
        }
