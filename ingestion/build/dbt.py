"""dbt inside this process: parsing, building, and what the manifest says of each node."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dbt.artifacts.schemas.results import NodeStatus
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg

from ingestion.errors import PermanentError
from ingestion.garbage import collect_rarely
from ingestion.runtime.spark import export_environment, spark_session
from ingestion.settings import PROJECT_ROOT, Settings


@dataclass(frozen=True)
class NodeResult:
    """What became of one node: `status` as dbt names it; `compiled` is empty for seeds and hooks.

    `is_proven`: a test that was not run, because it passed in the last build over the same rows, but for some that were
    tried as they were written.
    """

    unique_id: str
    status: str
    seconds: float
    message: str
    compiled: str
    is_proven: bool = False

    @property
    def is_good(self) -> bool:
        """Whether nothing that depends on this node need wait."""
        return self.status in (NodeStatus.Success, NodeStatus.Pass, NodeStatus.Warn, NodeStatus.NoOp)

    @property
    def is_skipped(self) -> bool:
        """Whether it was left out, because something it depends on failed."""
        return self.status == NodeStatus.Skipped

    @property
    def is_test(self) -> bool:
        """A data or a unit test."""
        return self.unique_id.startswith(("test.", "unit_test."))


class Dbt:
    """The project in `project_dir`, built into the lake of `settings`; parsed once, at the first use."""

    def __init__(
        self,
        settings: Settings,
        on_event: Callable[[EventMsg], None] | None = None,
        project_dir: Path = PROJECT_ROOT,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._project_dir = project_dir
        self._manifest: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """The parsed project; raises PermanentError with dbt's own words if it cannot be parsed."""
        if self._manifest is None:
            done = self._invoke(["parse"])
            if not isinstance(done.result, Manifest):
                raise PermanentError(f"the dbt project cannot be parsed: {done.exception}")
            self._manifest = done.result
            collect_rarely()  # a search through the project stopped all of dbt's threads for a third of a second
        return self._manifest

    @property
    def variables(self) -> dict[str, Any]:
        """The project's own variables, as dbt_project.yml sets them."""
        project = yaml.safe_load((self._project_dir / "dbt_project.yml").read_text(encoding="utf-8"))
        return dict(project.get("vars") or {})

    def build(
        self, select: Sequence[str], exclude: Sequence[str], rebuild: Sequence[str], proven: Sequence[str] = ()
    ) -> list[NodeResult]:
        """`dbt build` of the nodes named; those in `rebuild` from all their input.

        `proven` are ids of tests that need not run while no node they read writes anything (macros/adapter/test.sql).
        Raises PermanentError only if dbt itself could not run: a node that fails is in the results.
        """
        told = {"FRAZIL_REBUILD": ",".join(rebuild), "FRAZIL_PROVEN": ",".join(proven)}
        words = ["build", "--cache-selected-only", "--no-write-json", "--select", *select]
        if exclude:
            words += ["--exclude", *exclude]
        manifest = self.manifest
        if os.environ.get("FRAZIL_DBT_TARGET", "embedded") == "embedded":
            spark_session(self._settings)  # dbt uses the session that is there, as it is
            words += ["--target", "started"]
        os.environ.update(told)
        try:
            done = self._invoke(words, manifest)
        finally:
            for name in told:
                del os.environ[name]
        if not isinstance(done.result, RunExecutionResult):
            raise PermanentError(f"dbt build could not run: {done.exception}")
        return [_node_result(result) for result in done.result.results]

    def _invoke(self, words: list[str], manifest: Manifest | None = None) -> dbtRunnerResult:
        export_environment(self._settings)
        state = self._settings.home_dir / "dbt"
        # Standard output is the command's own: what dbt has to say comes as results, as an exception, and in its log.
        options = ["--log-level", "none", "--quiet", "--project-dir", str(self._project_dir)]
        options += ["--target-path", str(state / "target"), "--log-path", str(state / "logs")]
        # Writing down each statement, as dbt does by itself, took two fifths of its own time.
        options += ["--log-level-file", os.environ.get("DBT_LOG_LEVEL_FILE", "info")]
        callbacks = [self._on_event] if self._on_event else []
        return dbtRunner(manifest=manifest, callbacks=callbacks).invoke([*words, *options])


def _node_result(result: Any) -> NodeResult:
    return NodeResult(
        unique_id=result.node.unique_id,
        status=str(result.status),
        seconds=result.execution_time,
        message=result.message or "",
        compiled=getattr(result.node, "compiled_code", None) or "",
        is_proven=result.node.resource_type == "test" and result.adapter_response.get("code") == "UNCHANGED",
    )
