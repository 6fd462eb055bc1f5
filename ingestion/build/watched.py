"""A build that a scheduler's dbt runs in this process: what `frazil run` does around its own."""

import json
import logging
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt, NodeResult
from ingestion.build.history import past_build, remember
from ingestion.build.lease import build_lease
from ingestion.build.lineage.events import emit
from ingestion.build.record import updated_state
from ingestion.build.selection import Graph
from ingestion.build.state import load_state, save_state
from ingestion.errors import RetryableError
from ingestion.lake.catalog import open_catalog
from ingestion.runtime.spark import export_environment
from ingestion.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Due:
    """Names of models that are rebuilt because their code changed, and of unit tests that tried this code before."""

    rebuilt: list[str]
    tried: list[str]


class WatchedBuild:
    """Holds the lake's lease from `begin` to `end`, and has changed models rebuilt and the build recorded.

    An object is used for one build. The lease is given back when the process ends, too.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()

    def begin(self, wait_seconds: float) -> Due:
        """Take the lease and tell dbt, by the environment, which models to rebuild.

        Raises RetryableError if another process holds the lease for longer than `wait_seconds`.
        """
        export_environment(self._settings)
        self._take_lease(time.monotonic() + wait_seconds)
        self._began = datetime.now(UTC)
        self._catalog: Catalog = open_catalog(self._settings)
        self._stack.callback(self._catalog.close)
        self._dbt = Dbt(self._settings)
        self._graph = Graph(self._dbt.manifest, self._catalog, self._dbt.variables)
        self._before = self._graph.snapshots()
        self._state = load_state(self._catalog)
        chosen = self._graph.select(self._state, self._before, everything=False)
        rebuilt = [self._graph.name(node) for node in chosen.rebuild]
        os.environ["FRAZIL_REBUILD"] = ",".join(rebuilt)
        self._stack.callback(os.environ.pop, "FRAZIL_REBUILD", None)
        return Due(rebuilt, self._graph.unit_tests(set(self._graph.nodes) - chosen.fresh))

    def end(self, results: list[NodeResult], run: str) -> None:
        """Record what dbt did, tell its lineage, give the lease back; nodes without a result keep their record.

        `run` is the scheduler's name of the run; events of one run share it.
        """
        with self._stack:
            built = {one.unique_id for one in results}
            asked = [node for node in self._graph.nodes if node in built]
            save_state(self._catalog, updated_state(self._graph, self._state, self._before, asked, results))
            remember(self._settings.home_dir, past_build(self._began, datetime.now(UTC), "airflow", results))
            emit(self._settings, self._dbt.manifest, self._catalog, results, run)

    def give_up(self) -> None:
        """Give the lease back without a record; nothing if it is not held."""
        self._stack.close()

    def _take_lease(self, deadline: float) -> None:
        is_told = False
        while True:
            try:
                self._stack.enter_context(build_lease(self._settings.home_dir))
            except RetryableError as error:
                if time.monotonic() > deadline:
                    raise
                if not is_told:
                    log.warning("waiting: %s", error)
                is_told = True
                time.sleep(1.0)
            else:
                return


def read_results(file: Path) -> list[NodeResult]:
    """The results of dbt's run_results.json; none if dbt ended before it wrote one."""
    if not file.exists():
        return []
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return [
        NodeResult(
            unique_id=one["unique_id"],
            status=one["status"],
            seconds=one["execution_time"],
            message=one["message"] or "",
            compiled=one.get("compiled_code") or "",
        )
        for one in found["results"]
    ]
