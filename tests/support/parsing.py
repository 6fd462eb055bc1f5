"""The dbt project as it was parsed: once for all lakes of a run, and anew when a test has changed a file of it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from ingestion.garbage import collect_rarely

_PARTS = ("dbt_project.yml", "macros", "models", "seeds", "snapshots", "tests/dbt")
_MOST = 4  # projects that are kept: each takes tens of megabytes
_found: dict[Path, tuple[frozenset[tuple[str, int, int]], Manifest]] = {}
_targets: dict[Path, TemporaryDirectory[str]] = {}  # what dbt knows of each, to parse only changes


def parsed(project: Path) -> Manifest:
    """For any command: variables tell in models and macros alone, which dbt reads again as it builds.

    One that chose between references would be refused there. Nothing in it is of the lake that is built. Fails the test
    with dbt's words.
    """
    files = frozenset(_files(project))
    known = _found.get(project)
    if known is None or known[0] != files:
        known = _found[project] = (files, _parse(project))
        if len(_found) > _MOST:
            del _found[next(iter(_found))]
    return known[1]


def _files(project: Path) -> Iterator[tuple[str, int, int]]:
    for part in _PARTS:
        for path in [project / part, *(project / part).rglob("*")]:
            if path.is_file():
                found = path.stat()
                yield str(path), found.st_mtime_ns, found.st_size


def _parse(project: Path) -> Manifest:
    if project not in _targets:
        _targets[project] = TemporaryDirectory()
    folder = _targets[project].name
    paths = ["--project-dir", str(project), "--target-path", folder, "--log-path", folder]
    done = dbtRunner().invoke(["parse", "--quiet", *paths])
    assert isinstance(done.result, Manifest), done.exception
    collect_rarely()
    return done.result
