"""From when on a run can be late, for Airflow's deadline alerts."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference, deadline_reference


@deadline_reference()
class RunMade(BaseDeadlineReference):
    """When the run is made, whatever started it.

    Airflow's own DAGRUN_QUEUED_AT is as good until a task of a run that is not late yet is cleared: Airflow 3.3 counts
    its deadline anew then, takes the stored interval, a document, for a number, and answers 500.
    """

    def _evaluate_with(self, *, session: Any, **_: Any) -> datetime:
        return datetime.now(UTC)
