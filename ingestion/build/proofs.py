"""Which data tests passed over which snapshots: one that would read the same rows again need not run again."""

from collections.abc import Iterable, Mapping

from dbt.artifacts.schemas.results import NodeStatus

from ingestion.build.dbt import NodeResult
from ingestion.build.selection import Graph


class Proofs:
    """What this process has seen pass. It is kept nowhere else: code does not change while a process has parsed it.

    A test that reads a table outside the project has no proof, since such a table is written while a build runs.
    """

    def __init__(self) -> None:
        self._passed: dict[str, dict[str, int | None]] = {}

    def take(self, graph: Graph, results: Iterable[NodeResult], after: Mapping[str, int | None]) -> None:
        """Note the tests of a build that left the tables' snapshots `after`; one that did not pass has no proof."""
        for one in results:
            if one.unique_id.startswith("test."):
                self._passed.pop(one.unique_id, None)
                tables = graph.tested_tables(one.unique_id)
                if one.status == NodeStatus.Pass and tables:
                    self._passed[one.unique_id] = {name: after[name] for name in tables}

    def standing(self, now: Mapping[str, int | None]) -> list[str]:
        """The tests that passed over exactly the snapshots `now`, as far as their own tables go."""
        return [test for test, seen in self._passed.items() if all(now[name] == seen[name] for name in seen)]
