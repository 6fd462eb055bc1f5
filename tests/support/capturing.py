"""The sink as a process that is killed, and senders that repeat an order until it is acknowledged."""

import os
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Any

from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.webhook_server import Server, secrets_for

TOPIC = {"x-shopify-topic": "orders/updated", "x-shopify-shop-domain": "a.myshopify.com"}


class SinkProcess:
    """`frazil sink run` with these FRAZIL_ variables (without the prefix); one that was killed is started again."""

    def __init__(self, settings: Settings, folder: Path, **variables: str) -> None:
        self._log = folder / "sink.log"
        own = {f"FRAZIL_{name.upper()}": value for name, value in variables.items()}
        self._environment = {**os.environ, **secrets_for(), **own, "FRAZIL_HOME": str(settings.home_dir)}
        self._process: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = self._started("--flush-seconds", "0.3")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def end(self) -> None:
        """Ask it to stop; it must, even while it starts."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(60) in (0, -signal.SIGTERM), self._log.read_text()

    def once(self) -> None:
        """Bring all there is to raw."""
        assert self._started("--once").wait(120) == 0, self._log.read_text()

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "from ingestion.cli import main; main()", "sink", "run", *words]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, env=self._environment, cwd=PROJECT_ROOT, stdout=log, stderr=log)


class Senders:
    """Each sends one order after the other and repeats it until it is acknowledged; now and then once more."""

    def __init__(self, count: int, seed: int) -> None:
        self.server: Server | None = None
        self.outcomes: dict[int, list[str]] = {}
        self._chance, self._stop, self._lock = Random(seed), threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(count)]
        self._count = count

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends when everything sent is acknowledged; that it is not for long fails the test."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "an order was not acknowledged in two minutes"

    def _send(self, number: int) -> None:
        order = number
        while not self._stop.is_set():
            self._until_acknowledged(order)
            if self._chance.random() < 0.05:
                self._until_acknowledged(order)
            order += self._count

    def _until_acknowledged(self, order: int) -> None:
        times = b'"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"'
        body = b'{"id":%d,%b,"currency":"USD","total_price":"1.00"}' % (order, times)
        headers: dict[str, Any] = {**TOPIC, "x-shopify-webhook-id": f"w-{order}"}
        while True:
            server = self.server
            try:
                answer = server.post("shopify", body, headers) if server else None
            except (OSError, HTTPException):
                answer = None
            if answer is not None and answer.status == 200:
                with self._lock:
                    self.outcomes.setdefault(order, []).append(str(answer.outcome))
                return
            time.sleep(0.05)
