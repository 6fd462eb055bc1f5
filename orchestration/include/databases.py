"""What Airflow does with the databases of config/sources.yaml: its own few keys of their blocks."""

from datetime import UTC, datetime
from typing import Any

import yaml
from croniter import croniter

from ingestion.settings import Settings


def scheduled_sources(settings: Settings) -> dict[str, str]:
    """Source to the cron line (UTC) of its bulk load, `schedule`; in the order of the file."""
    return {name: block["schedule"] for name, block in _blocks(settings).items() if block.get("schedule")}


def gated_sources(settings: Settings) -> dict[str, float]:
    """Source to the seconds that a run waits until raw has its changes, `lag_gate`; in the order of the file."""
    return {name: float(block["lag_gate"]) for name, block in _blocks(settings).items() if block.get("lag_gate")}


def proven_sources(settings: Settings) -> list[str]:
    """Sources whose raw tables Airflow proves: those that it loads, and those whose changes it waits for."""
    return list(scheduled_sources(settings) | gated_sources(settings))


def _blocks(settings: Settings) -> dict[str, Any]:
    file = settings.config_dir / "sources.yaml"
    if not file.exists():
        return {}
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("sources") or {}


def is_due(schedule: str, last: datetime | None, now: datetime) -> bool:
    """Whether a load is due that began `last`; times are in UTC."""
    return last is None or croniter(schedule, now.astimezone(UTC)).get_prev(datetime) > last
