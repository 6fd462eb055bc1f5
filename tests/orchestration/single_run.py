"""The single run of a test: `orchestration.once` from a copy of the project, on a small lake of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pyiceberg.catalog import Catalog

from ingestion.build.state import load_state
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from orchestration.include.alerts import alerts_file
from tests.orchestration.running import PIPELINE
from tests.support.project import clean_environment, small_copy_of_the_project
from tests.support.spark import link_jars

Read = TypeVar("Read")

NOT_DUE = """
  archive:
    dialect: postgres
    port: 1
    database: archive
    user: reader
    schedule: 0 0 1 1 *
"""


class Once:
    """A copy of the project, whose code a test may change, and a lake with deliveries that wait in its journal.

    One of the project's databases has a schedule and was loaded a moment ago, so no run is to load it.
    """

    def __init__(self, folder: Path) -> None:
        self.project = small_copy_of_the_project(folder / "project")
        self.settings = Settings(home=folder / "home")
        link_jars(self.settings.home_dir)
        self.output = ""
        with (self.project / "config/sources.yaml").open("a", encoding="utf-8") as sources:
            sources.write(NOT_DUE)

    def receive(self, first: int, count: int) -> None:
        self.settings.journal_dir.mkdir(parents=True, exist_ok=True)
        with Journal.open(self.settings.journal_dir / "worker-0.db") as journal:
            journal.append(list(plain_orders(first, count)))

    def frazil(self, *words: str) -> Any:
        """The document of one `frazil` command of this project; fails the test with its words."""
        command = [str(Path(sys.executable).with_name("frazil")), *words, "--json"]
        done = subprocess.run(
            command, cwd=self.project, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def run(self, tell: Callable[[str], object] = lambda line: None, dag: str = PIPELINE) -> int:
        """The exit code of one `make airflow-once`; `tell` is called with each line that it writes, as it comes."""
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.once", "--minutes", "8", "--dag", dag],
            cwd=self.project,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.output += line
                tell(line)
        return process.wait()

    def count(self, table: str) -> int:
        return int(self._catalog(lambda lake: lake.load_table(table).scan().count()))

    def snapshots(self) -> dict[str, list[int]]:
        """Of all tables above raw but the platform's own records."""

        def read(lake: Catalog) -> dict[str, list[int]]:
            spaces = ("raw", "staging", "semantic", "analytics", "marts")
            names = [".".join(name) for space in spaces for name in lake.list_tables(space)]
            return {name: [one.snapshot_id for one in lake.load_table(name).snapshots()] for name in names}

        return self._catalog(read)

    def states(self) -> dict[str, bool]:
        """Table to whether its last build was good."""
        return self._catalog(lambda lake: {node.split(".")[-1]: one.is_good for node, one in load_state(lake).items()})

    def alerts(self) -> list[dict[str, Any]]:
        file = alerts_file(self.settings)
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    def _environment(self) -> dict[str, str]:
        return clean_environment() | {
            "FRAZIL_HOME": str(self.settings.home_dir),
            "PYTHONPATH": str(self.project),
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_VAR_FRAZIL_BULK_ARCHIVE": datetime.now(UTC).isoformat(),
        }

    def _catalog(self, read: Callable[[Catalog], Read]) -> Read:
        lake = open_catalog(self.settings)
        try:
            return read(lake)
        finally:
            lake.close()
