"""What all DAGs have in common: how often a task is tried, and who is told.

None has a start date: a scheduler that was just started runs nothing of the past but a tick of
the last minutes, and waits for the next one.
"""

import os
from datetime import timedelta
from typing import Any

from orchestration.include.alerts import task_failed
from orchestration.include.environment import ONE_BY_ONE


def task_defaults(retries: int = 3) -> dict[str, Any]:
    """Tries with growing pauses, an alert when the last one has failed; in the single run one try."""
    return {
        "retries": 0 if os.environ.get(ONE_BY_ONE) else retries,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "on_failure_callback": task_failed,
    }
