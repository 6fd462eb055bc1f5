"""What a model's rows are made of besides its input: if this changes, rows already built may be wrong."""

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import pyspark
from dbt.contracts.graph.manifest import Manifest
from dbt.version import __version__ as dbt_version

MATERIALIZATIONS = {
    "incremental": "macro.frazil.materialization_incremental_spark",
    "seed": "macro.frazil.materialization_seed_spark",
    "snapshot": "macro.dbt.materialization_snapshot_default",
    "view": "macro.frazil.materialization_view_spark",
}
_CALL = re.compile(r"\b([a-z]\w*)\s*\(")
_IGNORED_META = frozenset({"maintenance"})
_IGNORED_CONFIG = frozenset({"docs", "tags", "group", "access", "persist_docs", "post-hook", "pre-hook", "enabled"})


def node_checksum(manifest: Manifest, unique_id: str, variables: dict[str, Any]) -> str:
    """sha256 of a node's code, configuration, transitive macros, the seeds it reads, variables and versions.

    Descriptions and tests are not part of it, nor are seeds that are input like any table (`meta: {is_input: true}`): a
    new row of these makes no old one wrong. Versions count by major.minor.
    """
    node = manifest.nodes[unique_id]
    config = {key: value for key, value in node.config.to_dict().items() if key not in _IGNORED_CONFIG}
    config["meta"] = {key: value for key, value in config.get("meta", {}).items() if key not in _IGNORED_META}
    seeds = [
        parent
        for parent in node.depends_on_nodes
        if parent.startswith("seed.") and not manifest.nodes[parent].config.meta.get("is_input")
    ]
    parts = [
        node.checksum.checksum,
        json.dumps(config, sort_keys=True, default=str),
        *(manifest.macros[macro].macro_sql for macro in _all_macros(manifest, node)),
        *(manifest.nodes[seed].checksum.checksum for seed in sorted(seeds)),
        json.dumps(variables, sort_keys=True, default=str),
        *(_minor(version) for version in (dbt_version, pyspark.__version__)),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _all_macros(manifest: Manifest, node: Any) -> Iterable[str]:
    """The project's own macros that the node reaches, its materialization's among them, in a fixed order.

    dbt names those that it called when it parsed the node, so not those in a branch for builds that add to a table:
    these are found by their names. dbt's own macros call some that the project has replaced.
    """
    called = {f"macro.frazil.{name}" for name in _CALL.findall(getattr(node, "raw_code", ""))}
    waiting = [*node.depends_on.macros, *called, MATERIALIZATIONS.get(node.config.materialized, "")]
    found: set[str] = set()
    while waiting:
        macro = waiting.pop()
        if macro not in found and macro in manifest.macros:
            found.add(macro)
            waiting.extend(manifest.macros[macro].depends_on.macros)
    return sorted(macro for macro in found if macro.startswith("macro.frazil."))


@cache
def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
