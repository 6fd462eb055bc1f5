"""One worker's process: the listening socket, uvicorn, deadlines, signals."""

import errno
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import uvicorn

from ingestion.errors import FrazilError, RetryableError, UsageError
from ingestion.garbage import collect_rarely
from ingestion.webhooks.app import pages
from ingestion.webhooks.counters import Key
from ingestion.webhooks.protocol import WebhookProtocol, sweep
from ingestion.webhooks.worker import Worker

log = logging.getLogger(__name__)
_BACKLOG = 4096


class Address(NamedTuple):
    """Where to listen; with a certificate over TLS."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def listen(address: Address) -> socket.socket:
    """Bind; raises RetryableError when the port is taken, UsageError for a host or port that can never be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except (OSError, UnicodeError) as error:
        listener.close()
        raise _not_bound(address, error) from error
    listener.listen(_BACKLOG)
    return listener


def _not_bound(address: Address, error: OSError | UnicodeError) -> FrazilError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, UnicodeError) or (isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN):
        return UsageError(f"--host {address.host}: {reason}; give a name or address of this machine")
    if isinstance(error, PermissionError):
        return UsageError(f"--port {address.port}: {reason}; give one above 1023, or the right to bind it")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return RetryableError(f"--host {address.host}: {reason}; give an address that this machine has")
    return RetryableError(f"{address.host}:{address.port}: {reason}; free it, or give --port")


def raise_file_limit() -> int:
    """As many connections as the system allows; returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class _Server(uvicorn.Server):
    """uvicorn's server that also sweeps late connections, and says when it takes requests."""

    def __init__(self, config: uvicorn.Config, worker: Worker, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._worker = worker
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._worker.open()  # by uvicorn, it would end with a traceback and a code of uvicorn's own
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % 5 == 0:
            for phase in sweep(self.server_state, self._worker.limits):
                self._worker.counters.add(Key("frazil_webhook_connections_cut_total", (phase,)))
        return await super().on_tick(counter)


def check_tls(address: Address) -> None:
    """Raises UsageError for a certificate or key that cannot be served with."""
    if address.certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(address.certificate, address.key)
    except OSError as error:
        raise _bad_tls(error) from error


def _bad_tls(error: OSError) -> UsageError:
    return UsageError(f"--certificate, --key: {error}; both are PEM files that belong together")


def run_worker(
    worker: Worker, listener: socket.socket, address: Address, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM or SIGINT; what waits is answered before it returns. Calls `ready` when it takes requests.

    Raises FrazilError when the worker cannot be opened.
    """
    raise_file_limit()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # strangers could fill the log with its warnings
    config = uvicorn.Config(
        pages(worker),
        http=WebhookProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        backlog=_BACKLOG,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    try:
        config.load()
    except OSError as error:
        raise _bad_tls(error) from error
    server = _Server(config, worker, ready)
    for number in (signal.SIGTERM, signal.SIGINT):  # before uvicorn listens to them, and when it raises them again
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    # Requests leave no cycles, and a search for some looks at every known id meanwhile.
    collect_rarely(20_000, 50, 100)
    server.run(sockets=[listener])
