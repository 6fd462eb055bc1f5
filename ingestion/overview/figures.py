"""All figures of `frazil status` as lists of plain rows: the screen, `--json` and the metrics show the same ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import yaml
from pyiceberg.catalog import Catalog

from ingestion.build.history import last_builds
from ingestion.build.state import Built, load_state
from ingestion.bulk.state import State
from ingestion.cdc.standing import standing
from ingestion.lake import status
from ingestion.lake.catalog import NAMESPACES
from ingestion.lake.maintenance.contents import current_files
from ingestion.lake.maintenance.policy import Policy
from ingestion.lake.replay import waiting
from ingestion.overview.lag import never_built, with_lag
from ingestion.settings import PROJECT_ROOT, Settings

Rows = list[dict[str, Any]]
_BUILDS = 20


def figures(settings: Settings, catalog: Catalog, now: datetime | None = None) -> dict[str, Rows]:
    """`now` is the moment against which ages are told."""
    moment = now or datetime.now(UTC)
    marks = with_lag(catalog, status.watermarks(catalog), moment)
    tables = _tables(catalog)
    quarantine = waiting(catalog)
    databases = State(catalog, settings.home_dir).statuses()
    built = load_state(catalog)
    return {
        "sources": _sources(settings, tables, marks, quarantine, databases, moment),
        "journals": status.journals(settings.journal_dir),
        "layers": _layers(tables),
        "builds": [asdict(one) for one in last_builds(settings.home_dir, _BUILDS)],
        "not_good": _not_good(built),
        "never_built": never_built(built, PROJECT_ROOT / "models"),
        "quarantine": quarantine,
        "databases": databases,
        "followed": standing(catalog, moment),
        "watermarks": marks,
        "tables": tables,
    }


def _tables(catalog: Catalog) -> Rows:
    """What each table's newest snapshot tells, and of its files what is small or a list of deletes."""
    found = []
    for row in status.tables(catalog):
        files = current_files(catalog.load_table(row["table"]), Policy())
        sizes = {"bytes": files.data_bytes, "small_files": files.small, "delete_files": files.deletes}
        found.append({**row, **sizes})
    return found


def _layers(tables: Rows) -> Rows:
    rows = []
    for layer in NAMESPACES:
        mine = [row for row in tables if row["table"].startswith(f"{layer}.")]
        commits = [row["last_commit_at"] for row in mine if row["last_commit_at"]]
        added = {
            name: sum(row[name] for row in mine)
            for name in ("rows", "bytes", "files", "small_files", "delete_files", "snapshots")
        }
        rows.append({"layer": layer, "tables": len(mine), **added, "last_commit_at": max(commits, default=None)})
    return rows


def _sources(settings: Settings, tables: Rows, marks: Rows, quarantine: Rows, databases: Rows, now: datetime) -> Rows:
    """Each sender and database: `behind_seconds` is how long rows of it have waited in raw for a model."""
    webhooks = {path.stem for path in (settings.config_dir / "webhooks").glob("*.yaml")}
    known = webhooks | _configured(settings) | {_source(row["table"]) for row in tables if _is_raw(row["table"])}
    rows = []
    for source in sorted(known):
        mine = [row for row in tables if _is_raw(row["table"]) and _source(row["table"]) == source]
        behind = [
            row["behind_seconds"]
            for row in marks
            if _is_raw(row["source_table"]) and _source(row["source_table"]) == source
        ]
        last = max((row["last_commit_at"] for row in mine if row["last_commit_at"]), default=None)
        copies = [row["status"] for row in databases if row["source"] == source]
        rows.append(
            {
                "source": source,
                "kind": "webhook" if source in webhooks else "database",
                "tables": sum(row["rows"] > 0 for row in mine),
                "rows": sum(row["rows"] for row in mine),
                "last_commit_at": last,
                "silent_seconds": round((now - last).total_seconds(), 1) if last else None,
                "behind_seconds": max((one for one in behind if one is not None), default=None),
                "quarantined": sum(row["open"] for row in quarantine if row["source"] == source),
                "loads": _counted(copies),
            }
        )
    return rows


def _configured(settings: Settings) -> set[str]:
    """Databases of config/sources.yaml; a file that cannot be read is told by the commands that use it."""
    file = settings.config_dir / "sources.yaml"
    try:
        blocks: Mapping[str, Any] = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("sources") or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError):
        return set()
    return set(blocks)


def _not_good(built: Mapping[str, Built]) -> Rows:
    """Tables whose last build failed, or a test of them."""
    return [{"node": node} for node, found in sorted(built.items()) if not found.is_good]


def _counted(words: Sequence[str]) -> str:
    return ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))


def _is_raw(name: str) -> bool:
    return name.startswith("raw.")


def _source(name: str) -> str:
    return name.removeprefix("raw.").split("_")[0]


def behind(marks: Iterable[Mapping[str, Any]]) -> Rows:
    """The watermarks with rows that wait for them, longest first."""
    found = [dict(row) for row in marks if row["behind_seconds"]]
    return sorted(found, key=lambda row: -row["behind_seconds"])
