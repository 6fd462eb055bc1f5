"""A real Airflow of a test: all four components under their supervisor, and its REST API."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from ingestion.settings import Settings
from orchestration.include.environment import USER, password_file
from tests.support.project import clean_environment

COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
PIPELINE = "clgraph_iceberg_pipeline"


class Server:
    """`make airflow` from a copy of the project; `with` starts it and stops it."""

    def __init__(self, project: Path, settings: Settings, **environment: str) -> None:
        self.settings = settings
        self._log = settings.home_dir / "server.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._project = project
        self._environment = {
            **clean_environment(),
            "FRAZIL_HOME": str(settings.home_dir),
            "FRAZIL_AIRFLOW_PORT": str(self.port),
            "PYTHONPATH": str(project),
            **environment,
        }
        self._token = ""

    def __enter__(self) -> "Server":
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orchestration.server"],
                cwd=self._project,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self.is_healthy, 180, self.last_words)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def is_healthy(self) -> bool:
        """Whether all four components have reported; raises if the supervisor has ended."""
        assert self.process.poll() is None, self.last_words()
        try:
            parts = requests.get(f"http://127.0.0.1:{self.port}/api/v2/monitor/health", timeout=5).json()
        except requests.RequestException:
            return False
        return all(
            parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")
        )

    def get(self, path: str) -> Any:
        """One GET of the REST API as the administrator; None for what there is not."""
        if not self._token:
            passwords = json.loads(password_file(self.settings).read_text(encoding="utf-8"))
            asked = {"username": USER, "password": passwords[USER]}
            answer = requests.post(f"http://127.0.0.1:{self.port}/auth/token", json=asked, timeout=30)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.get(f"http://127.0.0.1:{self.port}/api/v2/{path}", headers=headers, timeout=60)
        if answer.status_code == requests.codes.not_found:  # a DAG whose file has not been read yet
            return None
        answer.raise_for_status()
        return answer.json()

    def runs(self) -> list[dict[str, Any]]:
        """The pipeline's runs, oldest first."""
        found = self.get(f"dags/{PIPELINE}/dagRuns?limit=100&order_by=run_after")
        return list(found["dag_runs"]) if found else []

    def finished_run(self, number: int, seconds: float = 420) -> dict[str, Any]:
        """The pipeline's run of that number, waited for until it has ended."""

        def ended() -> bool:
            runs = self.runs()
            return len(runs) > number and runs[number]["state"] in ("success", "failed")

        wait_until(ended, seconds, self.last_words)
        return self.runs()[number]

    def tasks(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Task id to task instance of one run."""
        found = self.get(f"dags/{PIPELINE}/dagRuns/{run['dag_run_id']}/taskInstances?limit=500")["task_instances"]
        return {one["task_id"]: one for one in found}

    def last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]


def wait_until(condition: Callable[[], bool], seconds: float, words: Callable[[], str]) -> None:
    """Look every second; fails the test with `words` when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words()
        time.sleep(1)
