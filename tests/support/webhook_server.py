"""The real capture server as a process, and plain ways to talk to it."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.counters import Key
from ingestion.webhooks.journal import Delivery, Journal
from ingestion.webhooks.metrics import totals
from ingestion.webhooks.signatures import sign
from ingestion.webhooks.sources import load_sources

FRAZIL = str(Path(sys.executable).with_name("frazil"))
PUBLIC_URL = "https://hooks.example.com"
STANDARD_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def outcome(self) -> str | None:
        return self.headers.get("x-frazil-outcome")


def secrets_for(config_dir: Path = PROJECT_ROOT / "config") -> dict[str, str]:
    """A secret for the variable that each source's file names; it suits every scheme."""
    found = {}
    for path in (config_dir / "webhooks").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        name = text.split("secrets: ${", 1)[1].split(":", 1)[0].split("}", 1)[0]
        found[name] = STANDARD_SECRET
    return found


class Server:
    """A running `frazil webhooks serve`."""

    def __init__(self, home: Path, process: subprocess.Popen[str], url: str, environment: Mapping[str, str]) -> None:
        self.home, self.process, self.url = home, process, url
        self.port = int(url.rsplit(":", 1)[1])
        self.sources = load_sources(Path(environment["FRAZIL_CONFIG_DIR"]), environment)

    @property
    def journal_dir(self) -> Path:
        return self.home / "journal"

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str | bytes]] = (),
        body: bytes = b"",
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        connection: http.client.HTTPConnection
        if tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=tls)
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in pairs:
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(
        self, source: str, body: bytes, headers: Mapping[str, str] | None = None, now: float | None = None
    ) -> Answer:
        """Correctly signed, with the source's example headers unless `headers` are given."""
        return self.request("POST", f"/webhooks/{source}", self.signed(source, body, headers, now), body)

    def signed(
        self, source: str, body: bytes, headers: Mapping[str, str] | None = None, now: float | None = None
    ) -> dict[str, str]:
        config = self.sources[source]
        own = config.example.headers if headers is None else headers
        message_id = own.get("webhook-id", f"msg_{time.time_ns()}")
        at = time.time() if now is None else now
        return {**own, **sign(config, body, at, base_url=PUBLIC_URL, message_id=message_id)}

    def counts(self) -> dict[tuple[str, ...], int]:
        """Outcomes that are not zero, as (source, outcome, reason), and requests as (source,)."""
        names = ("frazil_webhook_outcomes_total", "frazil_webhook_requests_total")
        return {key.labels: value for key, value in self.all_counts().items() if key.name in names and value}

    def all_counts(self) -> dict[Key, int]:
        return totals(self.journal_dir)

    def deliveries(self) -> list[Delivery]:
        """Everything in the journals that the sink has not taken."""
        return journalled(self.journal_dir)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def journalled(folder: Path) -> list[Delivery]:
    found: list[Delivery] = []
    for path in sorted(folder.glob("*.db")):
        with Journal.open(path) as journal:
            after = 0
            while entries := journal.read(after, 10_000, 1 << 26):
                found += [entry.delivery for entry in entries]
                after = entries[-1].seq
    return found


def accounting_problems(counts: Mapping[tuple[str, ...], int]) -> list[str]:
    """Sources whose requests are not the sum of their outcomes."""
    sources = {labels[0] for labels in counts}
    sums = {name: sum(n for labels, n in counts.items() if labels[0] == name and len(labels) == 3) for name in sources}
    return [
        f"{name}: {counts.get((name,), 0)} received, {sums[name]} answered"
        for name in sources
        if counts.get((name,), 0) != sums[name]
    ]


@contextmanager
def running_server(
    home: Path,
    *arguments: str,
    config_dir: Path = PROJECT_ROOT / "config",
    wrapper: tuple[str, ...] = (),
    **settings: object,
) -> Iterator[Server]:
    """`settings` become FRAZIL_ variables; `wrapper` is put before the command."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FRAZIL_")},
        **secrets_for(config_dir),
        "FRAZIL_HOME": str(home),
        "FRAZIL_CONFIG_DIR": str(config_dir),
        "FRAZIL_PUBLIC_BASE_URL": PUBLIC_URL,
        **{f"FRAZIL_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [
        *wrapper,
        FRAZIL,
        "webhooks",
        "serve",
        "--port",
        "0",
        "--json",
        *arguments,
    ]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "server.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=PROJECT_ROOT
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with {process.wait()}: {(home / 'server.log').read_text()}")
        server = Server(home, process, json.loads(line)["url"], environment)
        wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
        process.stdout.close()


def wait_until_ready(server: Server) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the server does not listen")
