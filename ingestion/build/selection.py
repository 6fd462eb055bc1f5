"""Which nodes a build must run: those whose code or input moved since their last good build, and all below them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbt.contracts.graph.manifest import Manifest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.build.checksum import node_checksum
from ingestion.build.state import ASKED, ROLLED_BACK, Built, data_snapshot
from ingestion.bulk.state import RUNS

KINDS = ("model.", "seed.", "snapshot.")
_OF = " of "
_MARKED = {ROLLED_BACK: "it or a table it reads was rolled back", ASKED: "it was asked to be built anew"}
# As macros/incremental/parent_state.sql writes it: the parents whose snapshot a model has read.
_PIN = re.compile(r"(\w+\.\w+)\s+(?:for )?version as of (\d+) /\* pinned")


@dataclass
class Selection:
    """Node ids to build, parents first, and why each was chosen.

    `rebuild`: those whose code changed, so that they need all their input again. `fresh`: those whose unit tests are
    due, because this code has not been built with success.
    """

    build: list[str] = field(default_factory=list)
    rebuild: list[str] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)


class Graph:
    """Nodes of the project that own a table, with their tables and checksums."""

    def __init__(self, manifest: Manifest, catalog: Catalog, variables: dict[str, object]) -> None:
        self._manifest = manifest
        self._catalog = catalog
        self._copies_at: dict[int, Counter[str]] = {}
        self.nodes = [node for node in manifest.nodes if node.startswith(KINDS)]
        self.checksums = {node: node_checksum(manifest, node, variables) for node in self.nodes}

    def name(self, node: str) -> str:
        """dbt's short name of a node, as `--select` takes it."""
        return self._manifest.nodes[node].name

    def table(self, node: str) -> str:
        """`schema.table` of a node or a source."""
        found = self._manifest.sources.get(node) or self._manifest.nodes[node]
        return f"{found.schema}.{found.identifier}"

    def is_view(self, node: str) -> bool:
        """Whether a node keeps no rows of its own, so that new rows of its parents ask nothing of it."""
        return bool(self._manifest.nodes[node].config.materialized == "view")

    def parents(self, node: str) -> list[str]:
        """Models, snapshots, seeds and sources the node reads."""
        return [name for name in self._manifest.nodes[node].depends_on_nodes if name.startswith((*KINDS, "source."))]

    def unit_tests(self, nodes: set[str]) -> list[str]:
        """Names of the unit tests of these nodes."""
        tests = self._manifest.unit_tests.values()
        return [test.name for test in tests if nodes.intersection(test.depends_on.nodes)]

    def data_tests(self) -> dict[str, list[str]]:
        """Data test id to the nodes it reads."""
        return {
            unique_id: [parent for parent in node.depends_on_nodes if parent.startswith(KINDS)]
            for unique_id, node in self._manifest.nodes.items()
            if unique_id.startswith("test.")
        }

    def tested_tables(self, test: str) -> list[str]:
        """The tables a data test reads; none if one of them is not a node's, so that others may write it, or a view."""
        read = self._manifest.nodes[test].depends_on_nodes
        is_known = all(parent in self.checksums and not self.is_view(parent) for parent in read)
        return [self.table(parent) for parent in read] if is_known else []

    def snapshots(self, only: set[str] | None = None) -> dict[str, int | None]:
        """The data snapshot of every table that is a node or a parent, or of those named; None where there is none.

        Of the list of copies it is how many copies of each raw table it has: see `input`.
        """
        if only is not None:
            return {name: self._state_of(name) for name in only}
        tables = {self.table(node) for node in self.nodes}
        inputs = {self.input(node, parent) for node in self.nodes for parent in self.parents(node)}
        return {name: self._state_of(name) for name in tables | inputs}

    def input(self, node: str, parent: str) -> str:
        """What a node reads of a parent: its table; of the list of copies those of the node's own raw table, so that
        a copy of one table builds no model of another."""
        table = self.table(parent)
        if table != RUNS:
            return table
        others = [self.table(other) for other in self.parents(node) if self.table(other) != RUNS]
        return f"{RUNS}{_OF}{' and '.join(others)}"

    def _state_of(self, name: str, pinned: int | None = None) -> int | None:
        table, of, raw = name.partition(_OF)
        return self._copies(pinned)[raw] if of else self._snapshot(table, pinned)

    def _copies(self, pinned: int | None) -> Counter[str]:
        try:
            table = self._catalog.load_table(RUNS)
        except NoSuchTableError:
            return Counter()
        current = table.current_snapshot()
        snapshot_id = pinned or (current.snapshot_id if current else None)
        if snapshot_id is None:
            return Counter()
        if snapshot_id not in self._copies_at:
            names = table.scan(selected_fields=("table_name",), snapshot_id=snapshot_id).to_arrow()["table_name"]
            self._copies_at[snapshot_id] = Counter(names.to_pylist())
        return self._copies_at[snapshot_id]

    def _snapshot(self, name: str, pinned: int | None = None) -> int | None:
        try:
            return data_snapshot(self._catalog.load_table(name), pinned)
        except NoSuchTableError:
            return None

    def read_by(self, node: str, compiled: str, before: Mapping[str, int | None]) -> dict[str, int | None]:
        """Parent tables to the snapshot that a build read.

        It stands in the compiled SQL. Of a parent that is not pinned, a source counts as it was `before` the build, a
        node as it is now: only the build under way writes nodes, and it writes a parent before its children.
        """
        pins = {table: int(pin) for table, pin in _PIN.findall(compiled)}
        read = {}
        for parent in self.parents(node):
            name, pin = self.input(node, parent), pins.get(self.table(parent))
            if pin is None and parent.startswith("source."):
                read[name] = before.get(name)
            else:
                read[name] = self._state_of(name, pin)
        return read

    def select(self, state: Mapping[str, Built], now: Mapping[str, int | None], everything: bool) -> Selection:
        """What to build, given the record `state` and the snapshots `now`."""
        chosen = Selection()
        for node in self._ordered():
            reason = "everything was asked for" if everything else self._reason(node, state, now, chosen)
            if reason:
                chosen.build.append(node)
                chosen.reasons[node] = reason
                built = state.get(node)
                if built and built.checksum != self.checksums[node]:
                    chosen.rebuild.append(node)
                if everything or not built or not built.is_good or node in chosen.rebuild:
                    chosen.fresh.add(node)
        return chosen

    def _reason(
        self, node: str, state: Mapping[str, Built], now: Mapping[str, int | None], chosen: Selection
    ) -> str | None:
        if node not in state:
            return "not built yet"
        if state[node].checksum in _MARKED:
            return _MARKED[state[node].checksum]
        if state[node].checksum != self.checksums[node]:
            return "its code, macros, seeds or variables changed"
        if not state[node].is_good:
            return "its last build or a test of it failed"
        if self.is_view(node):
            return None
        if not node.startswith("seed.") and now[self.table(node)] is None:
            return "its table is gone"
        for parent in self.parents(node):
            table = self.input(node, parent)
            if parent in chosen.reasons:
                return f"{table} is built"
            if not parent.startswith("seed.") and now[table] != state[node].parents.get(table):
                return f"{table} has new rows"
        return None

    def _ordered(self) -> list[str]:
        done: dict[str, None] = {}

        def visit(node: str) -> None:
            if node not in done and node.startswith(KINDS):
                for parent in self.parents(node):
                    visit(parent)
                done[node] = None

        for node in self.nodes:
            visit(node)
        return list(done)
