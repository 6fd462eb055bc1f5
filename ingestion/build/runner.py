"""The part of `dbt build` that new input or new code asks for, and the record of what was built."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table.snapshots import Operation

from ingestion.build.dbt import Dbt, NodeResult
from ingestion.build.history import past_build, remember
from ingestion.build.lease import build_lease
from ingestion.build.proofs import Proofs
from ingestion.build.record import updated_state
from ingestion.build.selection import Graph, Selection
from ingestion.build.state import load_state, save_state
from ingestion.settings import Settings


@dataclass
class BuildReport:
    """One build: what was chosen, each node's table, what became of it, and rows inserted or updated per table.

    It is a good one only if `not_good` is empty: what was skipped has neither failed nor been built or tested.
    """

    selection: Selection
    results: list[NodeResult] = field(default_factory=list)
    rows_written: dict[str, int] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def not_good(self) -> list[NodeResult]:
        """Whatever failed, and what was skipped because of it."""
        return [one for one in self.results if not one.is_good]

    @property
    def failed_tests(self) -> list[NodeResult]:
        """Data and unit tests that ran and did not pass."""
        return [one for one in self.not_good if one.is_test and not one.is_skipped]

    @property
    def failed_nodes(self) -> list[NodeResult]:
        """Models, seeds, snapshots and hooks that failed; those skipped because of them are not among them."""
        return [one for one in self.not_good if not one.is_test and not one.is_skipped]

    @property
    def skipped_tests(self) -> list[NodeResult]:
        """Tests that did not run, because a node they read or a test of it failed."""
        return [one for one in self.not_good if one.is_test and one.is_skipped]

    @property
    def skipped_nodes(self) -> list[NodeResult]:
        """Models, seeds and snapshots that were not built, because what they read or a test of it failed."""
        return [one for one in self.not_good if not one.is_test and one.is_skipped]


class Builder:
    """Builds the lake of `settings` again and again in one process, with one manifest and one Spark session."""

    def __init__(self, settings: Settings, catalog: Catalog, dbt: Dbt) -> None:
        self._settings = settings
        self._catalog = catalog
        self._dbt = dbt
        self._graph: Graph | None = None
        self._proofs = Proofs()

    @property
    def graph(self) -> Graph:
        """The project's nodes; parsed at the first use."""
        if self._graph is None:
            self._graph = Graph(self._dbt.manifest, self._catalog, self._dbt.variables)
        return self._graph

    def build(
        self,
        everything: bool = False,
        on_selected: Callable[[Selection], None] | None = None,
        unit_tests: bool = True,
    ) -> BuildReport:
        """Build what is due, under the lake's lease; without anything due Spark is not started and nothing written.

        A node is recorded as built only if it and all its tests are good, so a failed test runs again. Unit tests
        try the code, not the data: without them only the data is tested.
        """
        started, began = time.monotonic(), datetime.now(UTC)
        with build_lease(self._settings.home_dir):
            before = self.graph.snapshots()
            state = load_state(self._catalog)
            report = BuildReport(self.graph.select(state, before, everything))
            report.tables = {node: self.graph.table(node) for node in report.selection.build}
            if not report.selection.build:
                return report
            if on_selected:
                on_selected(report.selection)
            proven = [] if everything else self._proofs.standing(before)
            report.results = self._run(report.selection, unit_tests, proven)
            chosen = report.selection.build
            save_state(self._catalog, updated_state(self.graph, state, before, chosen, report.results))
            remember(self._settings.home_dir, past_build(began, datetime.now(UTC), "frazil run", report.results))
            report.rows_written = {name: self._rows_since(name, before[name]) for name in report.tables.values()}
            after = before | self.graph.snapshots(set(report.tables.values()))
            self._proofs.take(self.graph, report.results, after)
        report.seconds = time.monotonic() - started
        return report

    def _run(self, chosen: Selection, unit_tests: bool, proven: list[str]) -> list[NodeResult]:
        graph = self.graph
        tried = chosen.fresh if unit_tests else set()
        return self._dbt.build(
            select=[graph.name(node) for node in chosen.build],
            exclude=graph.unit_tests(set(graph.nodes) - tried),
            rebuild=[graph.name(node) for node in chosen.rebuild],
            proven=proven,
        )

    def _rows_since(self, name: str, old: int | None) -> int:
        """Rows added by the snapshots after `old`, up to the current one; compaction writes rows, but adds none."""
        try:
            table = self._catalog.load_table(name)
        except NoSuchTableError:
            return 0
        rows, snapshot = 0, table.current_snapshot()
        while snapshot and snapshot.snapshot_id != old:
            summary = snapshot.summary.additional_properties if snapshot.summary else {}
            if snapshot.summary and snapshot.summary.operation is not Operation.REPLACE:
                rows += int(summary.get("added-records", 0))
            snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
        return rows
