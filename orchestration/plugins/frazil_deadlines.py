"""Makes the pipeline's own kind of deadline known to Airflow, which finds such a class by no other way."""

from airflow.plugins_manager import AirflowPlugin

from orchestration.include.lateness import RunMade


class FrazilDeadlines(AirflowPlugin):
    """Found by AIRFLOW__CORE__PLUGINS_FOLDER."""

    name = "frazil_deadlines"
    deadline_references = [RunMade]  # noqa: RUF012 - declared so by Airflow
