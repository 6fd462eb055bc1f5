"""A real Airflow of a test: all four components under their supervisor, and its REST API."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
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
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def kill(self) -> None:
        """All at once, as when the machine goes away: the supervisor, its components, their tasks, and Spark."""
        top = psutil.Process(self.process.pid)
        for one in [top, *top.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()

    def kill_component(self, name: str) -> None:
        """One of the four alone, as the kernel does when memory runs out; what it had started lives on without it."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        (shell,) = (one for one in family if f"/airflow {name}" in words_of(one) and ";" in words_of(one))
        (component,) = shell.children()
        component.kill()

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

    def ask(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        """One call of the REST API as the administrator, as the pages make it; None for what there is not."""
        if not self._token:
            passwords = json.loads(password_file(self.settings).read_text(encoding="utf-8"))
            asked = {"username": USER, "password": passwords[USER]}
            answer = requests.post(f"http://127.0.0.1:{self.port}/auth/token", json=asked, timeout=30)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        answer = requests.request(method, url, headers=headers, json=document, timeout=60)
        if answer.status_code == requests.codes.not_found:  # a DAG whose file has not been read yet
            return None
        answer.raise_for_status()
        return answer.json()

    def runs(self, dag: str = PIPELINE) -> list[dict[str, Any]]:
        """A DAG's runs, oldest first."""
        found = self.ask("GET", f"dags/{dag}/dagRuns?limit=100&order_by=run_after")
        return list(found["dag_runs"]) if found else []

    def finished_run(self, number: int, dag: str = PIPELINE, seconds: float = 420, every: float = 1) -> dict[str, Any]:
        """A DAG's run of that number, waited for until it has ended; Airflow works for each look, `every` seconds."""

        def ended() -> bool:
            runs = self.runs(dag)
            return len(runs) > number and runs[number]["state"] in ("success", "failed")

        wait_until(ended, seconds, self.last_words, every)
        return self.runs(dag)[number]

    def tasks(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Task id to task instance of one run."""
        path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances?limit=500"
        return {one["task_id"]: one for one in self.ask("GET", path)["task_instances"]}

    def tries(self, run: dict[str, Any], task: str) -> list[dict[str, Any]]:
        """One task's tries in one run, the first one first."""
        path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/tries"
        found = self.ask("GET", path)["task_instances"]
        return sorted(found, key=lambda one: one["try_number"])

    def log(self, run: dict[str, Any], task: str, attempt: int = 1) -> str:
        """What the pages show as the log of one try of a task."""
        path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/logs/{attempt}?full_content=true"
        return json.dumps(self.ask("GET", path)["content"])

    def asset_events(self, asset: str) -> list[dict[str, Any]]:
        """What was told of one asset, oldest first."""
        found = self.ask("GET", "assets/events?limit=100&order_by=timestamp")["asset_events"]
        return [one for one in found if one["name"] == asset]

    def start_run(self, dag: str = PIPELINE, conf: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a run by hand, when the DAG's file has been read."""
        wait_until(lambda: bool(self.ask("GET", f"dags/{dag}")), 120, self.last_words)
        asked = {"logical_date": datetime.now(UTC).isoformat(), "conf": conf or {}}
        started: dict[str, Any] = self.ask("POST", f"dags/{dag}/dagRuns", asked)
        return started

    def last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]


def words_of(process: psutil.Process) -> str:
    """What a process was started with; nothing once it has ended."""
    try:
        return " ".join(process.cmdline()) if process.is_running() else ""
    except psutil.Error:
        return ""


def wait_until(condition: Callable[[], bool], seconds: float, words: Callable[[], str], every: float = 1) -> None:
    """Look every so many seconds; fails the test with `words` when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words()
        time.sleep(every)
