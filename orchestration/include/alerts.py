"""What an operator is told when a task fails or a run is late: the cause in one line, what it blocks, the repair."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.channels import channels
from ingestion.settings import Settings

log = logging.getLogger(__name__)

_DIED = "the task's process died"
RUNBOOK = "docs/operate/airflow.md"


def alerts_file(settings: Settings) -> Path:
    """All alerts ever given, one JSON object per line."""
    return settings.home_dir / "airflow" / "alerts.jsonl"


def task_failed(context: Any) -> None:
    """Airflow's failure callback: a task has failed for good."""
    from orchestration.include.causes import dbt_cause

    task, instance = context["task"], context["ti"]
    _give(
        {
            "kind": "task_failed",
            "dag": instance.dag_id,
            "run": instance.run_id,
            "task": instance.task_id,
            "tries": instance.try_number,
            "cause": _one_line(dbt_cause(Settings(), task, instance.run_id) or context.get("exception") or _DIED),
            "blocks": sorted(task.get_flat_relative_ids(upstream=False)),
            "repair": f"mend the cause, then clear the failed tasks of this run, or start a new one; {RUNBOOK}",
        }
    )


def sources_stale(instance: Any, stale: dict[str, str]) -> None:
    """Sources that have not delivered for longer than they should."""
    _give(
        {
            "kind": "sources_stale",
            "dag": instance.dag_id,
            "run": instance.run_id,
            "task": instance.task_id,
            "cause": ", ".join(f"{table} ({status})" for table, status in sorted(stale.items())),
            "repair": f"see whether the sender sends and `frazil status` shows deliveries; {RUNBOOK}",
        }
    )


async def run_late(context: Any, minutes: float, dag_id: str) -> None:
    """Airflow's deadline callback: a run has not ended in time; it goes on."""
    run = context.get("dag_run") or {}
    _give(
        {
            "kind": "run_late",
            "dag": dag_id,
            "run": run.get("dag_run_id") or run.get("run_id") if isinstance(run, dict) else str(run),
            "cause": f"not done {minutes:g} minutes after it was made",
            "repair": f"look which task runs, and whether another build holds the lease; {RUNBOOK}",
        }
    )


def _give(alert: dict[str, Any]) -> None:
    settings = Settings()
    line = {"at": datetime.now(UTC).isoformat(), **alert}
    file = alerts_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")
    log.error("%s", line)
    urls = [url.get_secret_value() for url in settings.alert_urls]
    if urls:
        _notify(urls, line)


def _notify(urls: list[str], alert: dict[str, Any]) -> None:
    title = f"{alert['kind']}: {alert['dag']} {alert.get('task', '')}".strip()
    body = "\n".join(f"{key}: {value}" for key, value in alert.items() if value)
    if not channels(urls, "FRAZIL_ALERT_URLS").notify(title=title, body=body):
        log.error("an alert could not be delivered to every address of FRAZIL_ALERT_URLS")


def _one_line(cause: object) -> str:
    return " ".join(str(cause).split())[:500]
