"""Who reads a raw table, as dbt's manifest says."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ingestion.settings import PROJECT_ROOT, Settings


def newest_manifest() -> Path:
    """dbt's newest account of the project: by `frazil run`, by Airflow, or by dbt itself; it need not exist."""
    home = Settings().home_dir
    folders = (home / "dbt" / "target", home / "airflow", PROJECT_ROOT / "target")
    return max((folder / "manifest.json" for folder in folders), key=_written_at)


def _written_at(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def downstream_of(manifest: Path, raw_name: str) -> list[str]:
    """The dbt models and exposures that read a raw table, directly or not, as the manifest says; none without one."""
    document = _document(manifest)
    schema, name = raw_name.split(".", 1)
    children = document.get("child_map", {})
    found = [
        key for key, one in document.get("sources", {}).items() if (one["schema"], one["identifier"]) == (schema, name)
    ]
    seen: set[str] = set()
    while found:
        for child in children.get(found.pop(), ()):
            if child not in seen and child.startswith(("model.", "exposure.", "snapshot.")):
                seen.add(child)
                found.append(child)
    return sorted(child.split(".")[-1] for child in seen)


def _document(manifest: Path) -> dict[str, Any]:
    try:
        return _parsed(manifest, manifest.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=1)
def _parsed(manifest: Path, _changed_at: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    return found
