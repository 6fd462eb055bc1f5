"""`make airflow`: api-server, scheduler, dag-processor and triggerer here, until one of them ends or Ctrl-C."""

import os
import subprocess
import sys
from pathlib import Path

from honcho.manager import Manager

from ingestion.errors import FrazilError, PermanentError
from ingestion.settings import PROJECT_ROOT, Settings
from orchestration.include.environment import USER, airflow_environment, password_file
from orchestration.include.manifest import is_stale, write_manifest

# The triggerer and the scheduler would serve task logs on every interface; the api-server reads the files itself.
COMPONENTS = {
    "api-server": "api-server",
    "scheduler": "scheduler --skip-serve-logs",
    "dag-processor": "dag-processor",
    "triggerer": "triggerer --skip-serve-logs",
}

# The workers of a scheduler that was killed live on and hold its output open, which hides its end from honcho.
_END_ITS_OWN = "trap '' TERM; kill -TERM 0; sleep 5; kill -KILL 0"


def serve(settings: Settings) -> int:
    """Run the four components until one ends, which is told by an exit code other than 0, and stop the others."""
    if is_stale(settings):
        write_manifest(settings)
    environment = os.environ | airflow_environment(settings)
    prepared = subprocess.run(
        [sys.executable, "-m", "orchestration.include.database"],
        env=environment,
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if prepared.returncode:
        raise PermanentError("Airflow's database could not be prepared; its own words are above")
    print(f"http://127.0.0.1:{settings.airflow_port}  user {USER}, password in {password_file(settings)}", flush=True)
    manager = Manager()
    airflow = Path(sys.executable).parent / "airflow"
    for name, words in COMPONENTS.items():
        manager.add_process(name, f"{airflow} {words}; {_END_ITS_OWN}", env=environment, cwd=str(PROJECT_ROOT))
    manager.loop()
    return int(manager.returncode or 0)


if __name__ == "__main__":
    try:
        sys.exit(serve(Settings()))
    except FrazilError as error:
        sys.exit(f"frazil: {error}")
