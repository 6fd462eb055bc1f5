"""The figures on one screen of 80 columns: ages and sizes in words of people, what is well in one line."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from ingestion.overview.figures import Rows, behind
from ingestion.terminal import literal_console, visible

# Rows of a list at most: all lists together are one screen, however much waits or fails; --json has every row.
_SOURCES, _ROWS = 8, 4
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def show(found: Mapping[str, Rows], now: datetime) -> None:
    """Print the screen; `now` is the moment that ages are told against."""
    console = literal_console()
    journals = sorted(found["journals"], key=lambda row: ("problem" not in row, -(row["waiting"] or 0)))
    quarantine = sorted(found["quarantine"], key=lambda row: -row["open"])
    _print(console, "sources", [_source(row) for row in found["sources"]], most=_SOURCES)
    _print(console, "waiting in journals", [_journal(row) for row in journals], "no journals")
    _print(console, "tables", [_layer(row, now) for row in found["layers"] if row["tables"]], most=len(found["layers"]))
    _print(console, "followed by their logs", [_followed(row) for row in found["followed"]])
    builds = [_build(row, now) for row in found["builds"][:_ROWS]]
    _print(console, "last builds", builds, "nothing has been built")
    _print(console, "failed in their last build", found["not_good"], "all tables are good")
    _print(console, "never built", found["never_built"])
    late = [_late(row) for row in behind(found["watermarks"])]
    who = "the models that are built" if found["never_built"] else "models"
    _print(console, "longest behind", late, f"{who} have read all there is" if found["watermarks"] else "")
    _print(console, "quarantine", [_open(row) for row in quarantine], "the quarantine is empty")


def age(seconds: float | None) -> str:
    """`90` as `1 min`, rounded down; nothing for None."""
    if seconds is None:
        return ""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def size(count: int) -> str:
    """Bytes with a unit of three digits at most."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _source(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": row["source"],
        "kind": row["kind"],
        "tables": row["tables"],
        "rows": f"{row['rows']:,}",
        "silent for": age(row["silent_seconds"]),
        "behind": age(row["behind_seconds"]),
        "quarantined": row["quarantined"],
        "loads": row["loads"],
    }


def _journal(row: Mapping[str, Any]) -> dict[str, Any]:
    oldest = row.get("problem") or age(row["oldest_seconds"])
    return {"journal": row["journal"], "waiting": row["waiting"], "oldest": oldest}


def _followed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "table": row["table"],
        "partition": row["partition"],
        "position": row["position"],
        "silent for": age(row["silent_seconds"]),
    }


def _layer(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    last = row["last_commit_at"]
    return {
        "layer": row["layer"],
        "tables": row["tables"],
        "rows": f"{row['rows']:,}",
        "size": size(row["bytes"]),
        "files": row["files"],
        "small": row["small_files"],
        "deletes": row["delete_files"],
        "snapshots": row["snapshots"],
        "last commit": age((now - last).total_seconds()) if last else "",
    }


def _build(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    failed = [*row["failed"], *row["failed_tests"]]
    more = f" and {len(failed) - 2} more" if len(failed) > 2 else ""
    return {
        "ended ago": age((now - row["ended_at"]).total_seconds()),
        "by": row["by"],
        "took": age((row["ended_at"] - row["started_at"]).total_seconds()),
        "built": row["built"],
        "failed": ", ".join(failed[:2]) + more,
    }


def _open(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"source": row["source"], "reason": row["reason"], "open": row["open"]}


def _late(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": row["pipeline_name"], "has not read": row["source_table"], "for": age(row["behind_seconds"])}


def _print(
    console: Console, title: str, rows: Sequence[Mapping[str, Any]], instead: str = "", most: int = _ROWS
) -> None:
    """A table without lines, its first `most` rows and how many there are beside; one line where there are none."""
    if not rows:
        if instead:
            console.print(instead, style="dim")
        return
    table = Table(box=None, header_style="dim", pad_edge=False, title=title, title_justify="left", title_style="bold")
    for name, value in rows[0].items():
        numeric = isinstance(value, int) or name in ("rows", "size")
        table.add_column(
            name, justify="right" if numeric else "left", no_wrap=name in ("source", "kind", "layer", "by")
        )
    for row in rows[:most]:
        table.add_row(*("" if value is None else visible(str(value)) for value in row.values()))
    console.print(table)
    if len(rows) > most:
        console.print(f"and {len(rows) - most} more", style="dim")
