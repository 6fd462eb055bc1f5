"""The real webhook server as a process of its own, for as long as a block of code runs."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from ingestion.errors import PermanentError

_READY_WITHIN = 60.0
_STOPPED_WITHIN = 20.0


def free_url() -> str:
    """A loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def running_server(url: str, environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`frazil webhooks serve` at `url` until the block ends; its own words go to `log`.

    `environment` is added to this process's. Raises PermanentError with the log's end if it does not get ready.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    program = "import sys; from ingestion.cli import main; sys.argv[0] = 'frazil'; main()"
    words = [sys.executable, "-c", program, "webhooks", "serve", "--host", host, "--port", port]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        server = subprocess.Popen(words, env={**os.environ, **environment}, stdout=output, stderr=output)
        try:
            _await_ready(server, url, log)
            yield server
        finally:
            server.terminate()
            try:
                server.wait(_STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise PermanentError(f"the server did not get ready; {log} ends with:\n{last}")
