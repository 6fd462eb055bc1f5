"""Bounds of a connection: headers without end get 431; headers or a body that stop arriving get 408.

There is no timer per request. Each connection notes since when it waits for bytes that must come, and one sweep
a second looks at all of them.
"""

import asyncio
import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ingestion.webhooks.door import BODY_LATE
from ingestion.webhooks.limits import Limits

_HEADER_BYTES = 128 * 1024
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's protocol that knows since when it waits (`time.monotonic()`), 0 while it does not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers_since = 0.0
        self.body_since = 0.0
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.headers_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.headers_since:
            self._header_bytes += len(data)
            if self._header_bytes > _HEADER_BYTES:
                self.transport.write(_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self.headers_since:
            self.headers_since = time.monotonic()

    def on_headers_complete(self) -> None:
        self.body_since = self.headers_since if self.headers_since else time.monotonic()
        self.headers_since = 0.0
        self._header_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.body_since = 0.0
        super().on_message_complete()

    def late(self, now: float, limits: Limits) -> str | None:
        """`headers` or `body` when that has been awaited for too long."""
        if self.headers_since and now - self.headers_since > limits.header_seconds:
            return "headers"
        if self.body_since and now - self.body_since > limits.body_seconds:
            return "body"
        return None

    def cut(self, phase: str) -> None:
        """Answer 408, unless the request has its answer already, and close."""
        cycle = self.cycle
        if phase == "headers" or not (cycle.response_started or cycle.response_complete):
            self.transport.write(_LATE)
        if cycle is not None and not cycle.response_complete:
            cast(dict[str, Any], cycle.scope)[BODY_LATE] = True
            cycle.disconnected = True
            cycle.message_event.set()
        self.headers_since = self.body_since = 0.0
        self.transport.close()


def sweep(state: ServerState, limits: Limits) -> list[str]:
    """Cut what is late now; returns the phase of each, for counting."""
    now = time.monotonic()
    cut: list[str] = []
    for connection in list(state.connections):
        if isinstance(connection, DeadlineProtocol) and (phase := connection.late(now, limits)):
            connection.cut(phase)
            cut.append(phase)
    return cut
