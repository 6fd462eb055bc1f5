"""`builds.jsonl` below the state folder, for people: when builds ran, for how long, and what failed."""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `frazil status` needs no dbt, which takes seconds to load
    from ingestion.build.dbt import NodeResult

log = logging.getLogger(__name__)

_KEPT = 500


@dataclass(frozen=True)
class PastBuild:
    """One build that had something to do; `by` is `frazil run` or `airflow`, names are dbt's short ones."""

    started_at: datetime
    ended_at: datetime
    by: str
    built: int
    failed: list[str]
    failed_tests: list[str]


def past_build(started_at: datetime, ended_at: datetime, by: str, results: "Iterable[NodeResult]") -> PastBuild:
    """A build by what dbt said of its nodes; those skipped are neither built nor failed."""
    tables = [one for one in results if one.unique_id.startswith(("model.", "seed.", "snapshot."))]
    others = [one for one in results if not one.unique_id.startswith(("model.", "seed.", "snapshot."))]
    return PastBuild(
        started_at,
        ended_at,
        by,
        sum(one.is_good for one in tables),
        sorted(one.unique_id.split(".")[2] for one in tables if _failed(one)),
        sorted(one.unique_id.split(".")[2] for one in others if _failed(one)),
    )


def remember(home: Path, build: PastBuild) -> None:
    """Append one build, to be called under the lake's lease; the newest few hundred are kept."""
    file = home / "builds.jsonl"
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        lines = [*lines[-_KEPT:], json.dumps(asdict(build), default=datetime.isoformat)]
        fresh = file.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(file)
    except OSError as error:  # the build itself is done and recorded
        log.warning("build_not_remembered", extra={"reason": str(error)})


def last_builds(home: Path, count: int) -> list[PastBuild]:
    """The newest builds first; none before the first one. Lines that are no build are passed over."""
    file = home / "builds.jsonl"
    if not file.exists():
        return []
    found = []
    for line in reversed(file.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            row: dict[str, Any] = json.loads(line)
            times = {name: datetime.fromisoformat(row[name]) for name in ("started_at", "ended_at")}
            found.append(PastBuild(**{**row, **times}))
        except (ValueError, TypeError, KeyError):
            continue
        if len(found) == count:
            break
    return found


def _failed(one: "NodeResult") -> bool:
    return not one.is_good and not one.is_skipped
