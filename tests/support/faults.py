"""A small HTTP server in front of Kafka Connect that plays what goes wrong between an operator and a worker."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import requests

Fault = Literal["busy", "unheard", "lost"]
"""The worker rebalances (409); the call never reaches it; it does what was asked, and its answer is lost."""

_REBALANCING = {"error_code": 409, "message": "Cannot complete request because of a conflicting operation (rebalance)"}


class Front(ThreadingHTTPServer):
    """The first tries of each call meet `faults` one after the other; `calls` counts all tries by method and path."""

    def __init__(self, worker: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.worker, self.faults = worker, faults
        self.calls: Counter[tuple[str, str]] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = (self.command, self.path)
        self.server.calls[call] += 1
        place = self.server.calls[call] - 1
        fault = self.server.faults[place] if place < len(self.server.faults) else None
        if fault == "busy":
            self._answer(409, json.dumps(_REBALANCING).encode())
            return
        if fault != "unheard":
            headers = {"Content-Type": "application/json"}
            reply = requests.request(
                self.command, self.server.worker + self.path, data=body, headers=headers, timeout=60
            )
            if fault is None:
                self._answer(reply.status_code, reply.content)
                return
        self.close_connection = True  # without a word

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names of BaseHTTPRequestHandler


@contextmanager
def in_front_of(worker: str, *faults: Fault) -> Iterator[Front]:
    """A front of the worker at that URL for as long as the block lasts."""
    with Front(worker, faults) as front:
        thread = threading.Thread(target=front.serve_forever)
        thread.start()
        try:
            yield front
        finally:
            front.shutdown()
            thread.join()
