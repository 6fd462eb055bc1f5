"""Several workers on one listening socket: a process each, started again when it dies, stopped together."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from ingestion.errors import FrazilError, PermanentError, RetryableError, UsageError
from ingestion.webhooks.server import Address

log = logging.getLogger(__name__)
_QUICK_DEATH_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
_REASONS: dict[int, type[FrazilError]] = {kind.exit_code: kind for kind in (PermanentError, UsageError, RetryableError)}


class Supervisor:
    """Keeps `count` workers running until SIGTERM or SIGINT, then lets them answer what waits."""

    def __init__(self, listener: socket.socket, address: Address, count: int) -> None:
        self._listener, self._address = listener, address
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._started: dict[int, float] = {}
        self._pause: dict[int, float] = dict.fromkeys(range(count), 0.0)
        self._pipes: dict[int, int] = {}  # of the workers that are starting: a byte comes when one serves
        self._worked: set[int] = set()
        self._is_ready = False
        self._stopping = False

    def run(self, ready: Callable[[], None]) -> None:
        """Calls `ready` once, when each worker has opened its journal and takes requests.

        A worker that ends before it ever did so with 1, 2 or 75, as when another server holds its journal, ends all:
        the error raised has that exit code, and the worker said why.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for index in self._pause:
            self._start(index)
        try:
            while not self._stopping:
                time.sleep(0.1)
                self._look_after()
                if not self._is_ready and len(self._worked) == len(self._pause):
                    self._is_ready = True
                    ready()
        finally:
            self._end()

    def _start(self, index: int) -> None:
        listener = self._listener.fileno()
        hears, says = os.pipe()
        os.set_blocking(hears, False)
        command = [sys.executable, "-m", "ingestion.webhooks.worker_main", str(index), str(listener), str(says)]
        if self._address.certificate and self._address.key:
            command += [str(self._address.certificate), str(self._address.key)]
        self._processes[index] = subprocess.Popen(command, pass_fds=[listener, says])
        self._started[index] = time.monotonic()
        os.close(says)
        self._pipes[index] = hears

    def _hear(self) -> None:
        """Note who serves; the pipe of one that died has an end instead."""
        for index, pipe in list(self._pipes.items()):
            try:
                said = os.read(pipe, 1)
            except BlockingIOError:
                continue
            if said:
                self._worked.add(index)
            os.close(self._pipes.pop(index))

    def _look_after(self) -> None:
        now = time.monotonic()
        statuses = {index: process.poll() for index, process in self._processes.items()}
        self._hear()  # after that: what is dead now has said all
        for index, status in statuses.items():
            lived = now - self._started[index]
            if status is None or self._stopping:
                continue
            if status in _REASONS and index not in self._worked:
                raise _REASONS[status](f"worker {index} cannot start; why is told above")
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
