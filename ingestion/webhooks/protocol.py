"""The server's HTTP connections: uvicorn's protocol, with a short way for webhooks and bounds for slow senders.

Requests below `/webhooks/` do not become ASGI tasks: their `Exchange` hands them to the door and writes its
answer. Headers or trailers without end get 431; headers or a body that stop arriving get 408; bodies that take too much
memory while they arrive get 503; who does not read answers is not read from. There is no timer per request: each
connection notes since when it waits for bytes that must come, and a sweep looks at all of them.
"""

import asyncio
import time
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ingestion.webhooks.answers import LARGE_HEADERS, LATE_HEADERS, Answer, last_words
from ingestion.webhooks.door import PREFIX, Door, Lane, Request
from ingestion.webhooks.limits import Limits

_HEADER_BYTES = 128 * 1024
_FRAMING = 8  # bytes that a chunked body may take beside each byte of its own; chunks of one byte take five
_LARGE = last_words(LARGE_HEADERS)
_LATE = last_words(LATE_HEADERS)


class Exchange:
    """One request to the door and its answer; to uvicorn it looks like its own request-response cycle."""

    def __init__(self, protocol: "WebhookProtocol", door: Door, request: Request, keep_alive: bool) -> None:
        self._protocol, self._door, self._request = protocol, door, request
        self._body = b""
        self._more: bytearray | None = None
        self._lane: Lane | None = None
        self._is_whole = False
        self._is_begun = False
        self._is_held = False
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    @property
    def message_event(self) -> "Exchange":
        """Itself, but not as an attribute: a request is gone when it is answered, without a search for cycles."""
        return self

    def set(self) -> None:
        """uvicorn's signal to a waiting task: there is none."""

    def begin(self, expects_continue: bool) -> None:
        """The headers are there, and it is this request's turn to be answered."""
        self._is_begun = True
        entered = self._door.enter(self._request)
        if isinstance(entered, Answer):
            self._reply(entered)
            return
        self._lane = entered
        if expects_continue:
            self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._go_on()

    def feed(self, piece: bytes) -> None:
        if self.response_complete:
            return
        if self._more is not None:
            self._more += piece
        elif self._body:
            self._more, self._body = bytearray(self._body), b""
            self._more += piece
        else:
            self._body = piece
        self._go_on()

    def end(self) -> None:
        """The whole body has been fed."""
        self._is_whole = True
        self._release()
        self._go_on()

    def hold(self, beside: int) -> None:
        """More of the body must come: what has come is counted meanwhile, with `beside` bytes of framing."""
        if self.is_waiting_for_body():
            self._is_held = True
            self._door.arriving.hold(self, self._arrived() + beside)

    def crowd_out(self) -> None:
        """All bodies in arrival take too much memory, and this one has been arriving for longest."""
        self._is_held = False
        assert self._lane is not None
        self._reply(self._door.refuse(self._lane, "crowded", self._request))

    def _release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._door.arriving.release(self)

    def _go_on(self) -> None:
        if self._lane is None or self.response_complete:
            return
        if self._arrived() > self._door.body_limit:
            self._reply(self._door.refuse(self._lane, "size", self._request))
        elif self._is_whole:
            body = self._body if self._more is None else bytes(self._more)
            self._body, self._more = b"", None
            self._door.take(self._lane, self._request, body, self._reply)

    def _arrived(self) -> int:
        return len(self._body if self._more is None else self._more)

    def room_for_framing(self) -> int:
        """Bytes that may have come beside the body, for as much of it as there is."""
        return _FRAMING * self._arrived() if self.is_waiting_for_body() else 0

    def is_waiting_for_body(self) -> bool:
        return self._is_begun and not self._is_whole and not self.response_complete

    def late(self) -> None:
        """The body has stopped arriving."""
        assert self._lane is not None
        self._reply(self._door.refuse(self._lane, "deadline", self._request))

    def lost(self) -> None:
        """The sender has gone; a delivery that is on its way to the disk is still counted by its outcome."""
        self.disconnected = True
        self._release()
        if self._lane is not None and not self._is_whole and not self.response_complete:
            self.response_complete = True
            self._door.count_refusal(self._lane, "disconnected", self._request)

    def _reply(self, answer: Answer) -> None:
        self.response_started = self.response_complete = True
        self._body, self._more = b"", None
        self._release()
        if not self.disconnected:
            self._protocol.answer(answer.head, self._request.correlation, self.keep_alive and answer.status != 408)


class WebhookProtocol(HttpToolsProtocol):
    """`headers_since` and `body_since` are `time.monotonic()`, 0 while nothing must come."""

    _standing_for: ClassVar[list[tuple[bytes, bytes]] | None] = None
    _standing: ClassVar[bytes] = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._door: Door = self.app_state["door"]
        self.headers_since = 0.0
        self.body_since = 0.0
        self._beside = 0  # bytes of the request under way that are no body, but for those of its first read
        self._fed = 0
        self._idle_since = 0.0
        self._is_advancing = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.headers_since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for cycle in (self.cycle, *(queued for queued, _ in self.pipeline)):
            if isinstance(cycle, Exchange):
                cycle.lost()

    def data_received(self, data: bytes) -> None:
        before = self.headers_since or self.body_since  # tells a request from the next one; 0 between two
        self._idle_since, self._fed = 0.0, 0
        super().data_received(data)
        since = self.headers_since or self.body_since
        if not since or self.transport.is_closing():
            return
        if since == before:
            self._beside += len(data) - self._fed
        arriving = self.cycle if self.body_since and isinstance(self.cycle, Exchange) else None
        if self._beside > _HEADER_BYTES + (arriving.room_for_framing() if arriving else 0):
            if self.headers_since or (arriving and arriving.is_waiting_for_body()):
                self.transport.write(_LARGE)
            self._close()
        elif arriving:
            arriving.hold(max(0, self._beside - _HEADER_BYTES))

    def pause_writing(self) -> None:
        """The sender does not read its answers: it gets no more of them."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.pipeline:
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """Like uvicorn's, without the scope, which only pages need."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._beside = 0
        if not self.headers_since:
            self.headers_since = time.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        """uvicorn's, but for trailers: they come when the door has read the headers, and are dropped."""
        if self.headers_since:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.body_since, self.headers_since = self.headers_since, 0.0
        self._beside = 0
        if not self.url.startswith(PREFIX):
            url, expects, headers = self.url, self.expect_100_continue, self.headers
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            super().on_headers_complete()
            return
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        request = self._door.request(self.parser.get_method(), self.url, self.headers)
        exchange = Exchange(self, self._door, request, keep_alive)
        before, self.cycle = self.cycle, cast(RequestResponseCycle, exchange)
        if before is None or before.response_complete:
            exchange.begin(self.expect_100_continue)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        self._fed += len(body)
        if isinstance(self.cycle, Exchange):
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.body_since = 0.0
        if isinstance(self.cycle, Exchange):
            self.cycle.end()
        else:
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if isinstance(cycle, Exchange):
            cycle.begin(False)
            cycle.hold(0)
        else:
            super()._start_asgi_task(cycle, app)

    def answer(self, head: bytes, correlation: bytes, keep_alive: bool) -> None:
        """Write a whole answer without body, and go on with what has been received meanwhile."""
        if self.transport.is_closing():
            return
        if self.server_state.default_headers is not WebhookProtocol._standing_for:
            WebhookProtocol._standing_for = self.server_state.default_headers
            WebhookProtocol._standing = b"".join([b"%s: %s\r\n" % pair for pair in self.server_state.default_headers])
        end = b"\r\n\r\n" if keep_alive else b"\r\nconnection: close\r\n\r\n"
        self.transport.write(b"%s%sx-correlation-id: %s%s" % (head, WebhookProtocol._standing, correlation, end))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """uvicorn's, with the idle time noted instead of a timer set."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._idle_since = time.monotonic()
            return
        if not self.flow.write_paused:
            self.flow.resume_reading()
        if self._is_advancing:
            return
        self._is_advancing = True  # what is answered at once comes back here: a loop, not a recursion
        while self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            if not cycle.response_complete:
                break
        else:
            self._idle_since = time.monotonic()
        self._is_advancing = False

    def sweep(self, now: float, limits: Limits) -> str | None:
        """Cut the connection if it is late: `headers` or `body`; close it without a word if it is long idle.

        One that is closed ends at once when its last words have not been read for as long.
        """
        if self.transport.is_closing():
            if self._idle_since and now - self._idle_since > self.timeout_keep_alive:
                self.transport.abort()
            return None
        if self.headers_since and now - self.headers_since > limits.header_seconds:
            self.transport.write(_LATE)
            self._close()
            return "headers"
        if self.body_since and now - self.body_since > limits.body_seconds:
            if isinstance(self.cycle, Exchange) and self.cycle.is_waiting_for_body():
                self.cycle.late()
            self._close()
            return "body"
        if self._idle_since and now - self._idle_since > self.timeout_keep_alive:
            self._close()
        return None

    def _close(self) -> None:
        self.headers_since = self.body_since = 0.0
        self._idle_since = time.monotonic()
        self.transport.close()


def sweep(state: ServerState, limits: Limits) -> list[str]:
    """Look at all connections; returns the phase of each that was cut, for counting."""
    now = time.monotonic()
    connections = [item for item in list(state.connections) if isinstance(item, WebhookProtocol)]
    return [phase for item in connections if (phase := item.sweep(now, limits))]
