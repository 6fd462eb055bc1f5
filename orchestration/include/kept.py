"""A DAG that is built once for all tasks of a worker, and again when something it is built from has changed."""

import os
from collections.abc import Callable
from pathlib import Path

from airflow.sdk import DAG

from ingestion.settings import PROJECT_ROOT, Settings
from orchestration.include.manifest import manifest_file

_State = tuple[object, ...]
_kept: dict[str, tuple[_State, DAG]] = {}


def kept(build: Callable[[], DAG]) -> DAG:
    """The DAG that `build` made in this process, or in the one this was forked from, else a new one.

    New it is when the file of `build`, the manifest, config/sources.yaml, .env or a variable FRAZIL_* has changed. To
    be bound to a name of that file, where Airflow looks for DAGs.
    """
    file = build.__code__.co_filename
    if not is_kept(file):
        state = _state(file)  # taken before: what changes meanwhile makes it out of date
        _kept[file] = (state, build())
    return _kept[file][1]


def is_kept(file: str) -> bool:
    """Whether the DAG of `file` is kept and in step."""
    return file in _kept and _kept[file][0] == _state(file)


def _state(file: str) -> _State:
    settings = Settings()
    reads = [Path(file), manifest_file(settings), settings.config_dir / "sources.yaml", PROJECT_ROOT / ".env"]
    variables = sorted(item for item in os.environ.items() if item[0].startswith("FRAZIL_"))
    return (*variables, *(_written(path) for path in reads))


def _written(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
