"""The parsed dbt project on disk: Cosmos draws the graph from it, and a run first sees whether it is still true."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from ingestion.errors import PermanentError
from ingestion.settings import PROJECT_ROOT, Settings

PARTS = ("dbt_project.yml", "models", "macros", "seeds", "snapshots", "tests/dbt")


def manifest_file(settings: Settings) -> Path:
    """Where the manifest is; it need not exist."""
    return settings.home_dir / "airflow" / "manifest.json"


def results_file(settings: Settings, run_id: str, task_id: str) -> Path:
    """Where the results of one task's dbt command are kept; it need not exist."""
    return settings.home_dir / "airflow" / "results" / f"{run_id}.{task_id}.json".replace("/", "_").replace(":", "_")


def write_manifest(settings: Settings, project: Path = PROJECT_ROOT) -> bool:
    """Parse the project and bring the file in step; True if the graph of tables and tests has changed.

    Raises PermanentError with dbt's own words when the project cannot be parsed; the old file stays then.
    """
    from ingestion.build.dbt import Dbt

    file = manifest_file(settings)
    try:
        before = graph_of(file) if file.exists() else None
    except ValueError:  # it was cut off: whatever it showed is not the project
        before = None
    mark = project_mark(project)
    text = json.dumps(Dbt(settings, project_dir=project).manifest.writable_manifest().to_dict(), default=str)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)
    _mark_file(file).write_text(mark, encoding="utf-8")
    return before != graph_of(file)


def is_stale(settings: Settings, project: Path = PROJECT_ROOT) -> bool:
    """Whether the manifest is missing or the project's files are not those it was parsed from."""
    mark = _mark_file(manifest_file(settings))
    return not mark.exists() or mark.read_text(encoding="utf-8") != project_mark(project)


def project_mark(project: Path = PROJECT_ROOT) -> str:
    """sha256 of the names and contents of the files that dbt parses."""
    digest = hashlib.sha256()
    for part in PARTS:
        root = project / part
        for path in sorted([root] if root.is_file() else root.rglob("*")):
            if path.suffix in (".sql", ".yml", ".csv", ".md"):
                digest.update(f"{path.relative_to(project)}\0".encode())
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def load_manifest(settings: Settings) -> dict[str, Any]:
    """The manifest as a dictionary; raises PermanentError with the command that makes it when it is missing."""
    file = manifest_file(settings)
    if not file.exists():
        raise PermanentError(f"{file} is missing: run `make airflow-setup`, or start Airflow by `make airflow`")
    return _load(file, file.stat().st_mtime_ns)


def models_in(settings: Settings, schema: str) -> list[str]:
    """Names of the models of one schema, sorted."""
    nodes = load_manifest(settings)["nodes"].values()
    return sorted(one["name"] for one in nodes if one["resource_type"] == "model" and one["schema"] == schema)


def graph_of(file: Path) -> dict[str, list[str]]:
    """Node id to the nodes it depends on, for all that Airflow shows as tasks."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return {
        name: sorted(node["depends_on"].get("nodes", []))
        for name, node in sorted(found["nodes"].items())
        if node["resource_type"] in ("model", "seed", "snapshot", "test")
    }


def tests_by_table(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """Node id to the tests that decide whether it is good, each test under one node.

    That is the node whose `.yml` declares it; of a test in tests/dbt, the furthest down of the nodes it reads. A test
    counted for every node it reads would let a failed model block its own parents.
    """
    nodes = manifest["nodes"]
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            above = nodes[name]["depends_on"].get("nodes", [])
            depths[name] = 1 + max((depth(one) for one in above if one in nodes), default=0)
        return depths[name]

    found: dict[str, list[str]] = {}
    for name, node in sorted(nodes.items()):
        read = [one for one in node["depends_on"].get("nodes", []) if one in nodes]
        if node["resource_type"] == "test" and read:
            owner = node.get("attached_node") or max(read, key=lambda one: (depth(one), one))
            found.setdefault(owner, []).append(name)
    return found


@cache
def _load(file: Path, _written_ns: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        _mark_file(file).unlink(missing_ok=True)  # so that it is taken for stale
        raise PermanentError(f"{file} is broken ({error}): start Airflow again by `make airflow`") from error
    return found


def _mark_file(manifest: Path) -> Path:
    return manifest.with_suffix(".mark")


if __name__ == "__main__":
    os.chdir(PROJECT_ROOT)
    write_manifest(Settings())
