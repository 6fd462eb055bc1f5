"""The record of a build, whoever ran dbt: which nodes are good, and which snapshots of their parents they read."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ingestion.build.dbt import NodeResult
from ingestion.build.selection import Graph
from ingestion.build.state import Built


def updated_state(
    graph: Graph,
    state: Mapping[str, Built],
    before: Mapping[str, int | None],
    asked: Iterable[str],
    results: Iterable[NodeResult],
) -> dict[str, Built]:
    """`state` after a build of the nodes `asked`, which found the tables' snapshots `before`.

    A node is good only if it and all its tests are. A test that was skipped says nothing of the nodes it reads: the one
    because of which it was skipped is not good, and runs it again. Nodes that the project no longer has are left out.
    """
    by_id = {one.unique_id: one for one in results}
    failed = {test for test, one in by_id.items() if not one.is_good and not one.is_skipped}
    untested = {node for test, nodes in graph.data_tests().items() if test in failed for node in nodes}
    kept = {node: built for node, built in state.items() if node in graph.checksums}
    for node in asked:
        result = by_id.get(node)
        if result is not None and result.is_good:
            parents = graph.read_by(node, result.compiled, before)
            kept[node] = Built(graph.checksums[node], parents, is_good=node not in untested)
        elif node in kept:
            kept[node] = replace(kept[node], is_good=False)
    return kept
