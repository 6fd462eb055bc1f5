"""The databases that Airflow loads in bulk: those whose block in config/sources.yaml has a `schedule`."""

from datetime import UTC, datetime

import yaml
from croniter import croniter

from ingestion.settings import Settings


def scheduled_sources(settings: Settings) -> dict[str, str]:
    """Source to the cron line (UTC) of its bulk load; in the order of the file."""
    file = settings.config_dir / "sources.yaml"
    if not file.exists():
        return {}
    blocks = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("sources") or {}
    return {name: block["schedule"] for name, block in blocks.items() if block.get("schedule")}


def is_due(schedule: str, last: datetime | None, now: datetime) -> bool:
    """Whether a load is due that began `last`; times are in UTC."""
    return last is None or croniter(schedule, now.astimezone(UTC)).get_prev(datetime) > last
