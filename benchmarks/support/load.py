"""A load generator that costs little: prepared requests over plain sockets, one at a time on each.

`python -m benchmarks.support.load PORT CONNECTIONS SECONDS RUN RATE` prints one JSON line; it is a process of its own.
RATE is requests a second over all connections, and latency then counts from when a request was due; 0 sends each as
soon as the answer before it is there.

It waits in select(), which alone waits for less than a millisecond. At 5,600 requests a second it takes a quarter of a
core, where asyncio's loop took a third; at full load it asks for a tenth more.
"""

import gc
import heapq
import json
import random
import select
import socket
import sys
import time
from dataclasses import dataclass
from itertools import count

from benchmarks.support.orders import signed_orders

_HEAD = (
    "POST /webhooks/shopify HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    "user-agent: frazil-benchmark\r\nx-shopify-topic: orders/updated\r\nx-shopify-shop-domain: bench.myshopify.com\r\n"
    "x-shopify-api-version: 2026-07\r\nx-shopify-triggered-at: 2026-01-05T15:00:01Z\r\n"
    "x-shopify-hmac-sha256: {signature}\r\ncontent-length: {length}\r\nx-shopify-webhook-id: {run}-"
)
_EARLY = 60e-6  # the kernel ends a wait up to 50 microseconds late
_ANSWER_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class _Connection:
    """`due` is when the request under way, or else the next one, was or is to be sent."""

    socket: socket.socket
    due: float
    answer: bytes = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def __lt__(self, other: "_Connection") -> bool:
        return self.due < other.due


class Load:
    """Answers are expected to have no body, as the server's have."""

    def __init__(self, port: int, connections: int, run: str, rate: float) -> None:
        self._requests = [
            (_HEAD.format(signature=signature, length=len(body), run=run).encode(), body)
            for signature, body in signed_orders(64)
        ]
        self._numbers = count()
        self._period = connections / rate if rate else 0.0
        now = time.perf_counter()
        self._idle = [_open(port, now + random.random() * self._period) for _ in range(connections)]
        heapq.heapify(self._idle)
        self._asked: set[_Connection] = set()
        self.latencies: list[float] = []
        self.bad = 0

    def run(self, seconds: float) -> float:
        """Send and take answers for so long; returns the seconds that it was."""
        started = time.perf_counter()
        while (now := time.perf_counter()) - started < seconds:
            while self._idle and self._idle[0].due <= now:
                self._send(heapq.heappop(self._idle))
            next_due = self._idle[0].due if self._idle else started + seconds
            self._take_answers(min(next_due, started + seconds))
        return now - started

    def finish(self) -> None:
        """Take the answers that are on their way; one that does not come is bad."""
        until = time.perf_counter() + _ANSWER_SECONDS
        while self._asked and time.perf_counter() < until:
            self._take_answers(until)
        self.bad += len(self._asked)

    def _send(self, connection: _Connection) -> None:
        number = next(self._numbers)
        head, body = self._requests[number % len(self._requests)]
        connection.socket.sendall(b"%s%x\r\n\r\n%s" % (head, number, body))
        self._asked.add(connection)

    def _take_answers(self, until: float) -> None:
        patience = max(0.0, until - time.perf_counter() - _EARLY)
        for connection in select.select(self._asked, (), (), patience)[0]:
            piece = connection.socket.recv(4096)
            connection.answer += piece
            is_whole = connection.answer.endswith(b"\r\n\r\n")
            if piece and not is_whole:
                continue
            now = time.perf_counter()
            self._asked.discard(connection)
            self.latencies.append(now - connection.due)
            self.bad += not (is_whole and connection.answer.startswith(b"HTTP/1.1 200"))
            if piece:
                connection.answer = b""
                connection.due = connection.due + self._period if self._period else now
                heapq.heappush(self._idle, connection)


def _open(port: int, due: float) -> _Connection:
    opened = socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Connection(opened, due)


def main() -> None:
    port, connections, seconds, run, rate = sys.argv[1:]
    load = Load(int(port), int(connections), run, float(rate))
    gc.disable()  # nothing here leaves cycles
    load.run(min(1.0, float(seconds) / 4))
    load.latencies.clear()
    print("warm", flush=True)
    elapsed = load.run(float(seconds))
    measured = sorted(load.latencies)
    print("done", flush=True)
    if not measured:
        raise SystemExit(f"127.0.0.1:{port}: no request was answered; does the server run?")
    load.finish()
    result = {
        "requests": len(measured),
        "seconds": elapsed,
        "per_second": len(measured) / elapsed,
        "p50_ms": measured[len(measured) // 2] * 1e3,
        "p99_ms": measured[int(len(measured) * 0.99)] * 1e3,
        "bad": load.bad,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
