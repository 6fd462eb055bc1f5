"""Several workers on one listening socket: a process each, started again when it dies, stopped together."""

import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from ingestion.errors import RetryableError
from ingestion.webhooks.server import Address

log = logging.getLogger(__name__)
_QUICK_DEATH_SECONDS = 5.0
_LONGEST_PAUSE = 30.0


class Supervisor:
    """Keeps `count` workers running until SIGTERM or SIGINT, then lets them answer what waits."""

    def __init__(self, listener: socket.socket, address: Address, count: int) -> None:
        self._listener, self._address = listener, address
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._started: dict[int, float] = {}
        self._pause: dict[int, float] = dict.fromkeys(range(count), 0.0)
        self._worked: set[int] = set()
        self._stopping = False

    def run(self, ready: Callable[[], None]) -> None:
        """Raises RetryableError when a worker cannot start, as when another server holds its journal; it said why."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for index in self._pause:
            self._start(index)
        ready()
        try:
            while not self._stopping:
                time.sleep(0.2)
                self._restart_dead()
        finally:
            self._end()

    def _start(self, index: int) -> None:
        command = [sys.executable, "-m", "ingestion.webhooks.worker_main", str(index), str(self._listener.fileno())]
        if self._address.certificate and self._address.key:
            command += [str(self._address.certificate), str(self._address.key)]
        self._processes[index] = subprocess.Popen(command, pass_fds=[self._listener.fileno()])
        self._started[index] = time.monotonic()

    def _restart_dead(self) -> None:
        now = time.monotonic()
        for index, process in self._processes.items():
            status = process.poll()
            lived = now - self._started[index]
            if status is None and lived > _QUICK_DEATH_SECONDS:
                self._worked.add(index)
            if status is None or self._stopping:
                continue
            if status == RetryableError.exit_code and index not in self._worked:
                raise RetryableError(f"worker {index} cannot start; why is the line before this one")
            if lived < self._pause[index]:
                continue
            quick = lived < _QUICK_DEATH_SECONDS + self._pause[index]
            self._pause[index] = min(_LONGEST_PAUSE, self._pause[index] * 2 + 0.5) if quick else 0.0
            log.error("worker_died", extra={"worker": index, "status": status})
            self._start(index)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _end(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
