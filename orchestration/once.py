"""`make airflow-once`: one run of the pipeline without a scheduler; it always ends, and says whether all went well."""

import os
import signal
import subprocess
import sys

import click

from ingestion.errors import FrazilError, PermanentError, RetryableError
from ingestion.settings import PROJECT_ROOT, Settings
from orchestration.include.environment import ONE_BY_ONE, airflow_environment
from orchestration.include.manifest import is_stale, write_manifest


@click.command()
@click.option("--dag", default="clgraph_iceberg_pipeline", show_default=True, help="Which DAG to run.")
@click.option("--minutes", default=120.0, show_default=True, type=click.FloatRange(0.1), help="Stopped after that.")
def command(dag: str, minutes: float) -> None:
    """Run one DAG once, task by task, in this terminal."""
    settings = Settings()
    if is_stale(settings):
        write_manifest(settings)
    environment = os.environ | airflow_environment(settings, **{ONE_BY_ONE: "1"})
    run([sys.executable, "-m", "orchestration.include.single", dag], environment, minutes)


def run(words: list[str], environment: dict[str, str], minutes: float) -> None:
    """Run one program to its end; raises RetryableError when it took too long, PermanentError when it failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    process = subprocess.Popen(words, env=environment, cwd=PROJECT_ROOT, start_new_session=True)
    try:
        code = process.wait(minutes * 60)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)  # Spark's Java is a child of it
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise RetryableError(f"stopped after {minutes:g} minutes; look at the last task above") from error
        raise
    if code:
        raise PermanentError(f"{words[-1]} failed; causes are above and in airflow/alerts.jsonl of FRAZIL_HOME")


if __name__ == "__main__":
    try:
        command(standalone_mode=False)
    except FrazilError as error:
        sys.exit(f"frazil: {error}")
