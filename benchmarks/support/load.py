"""A load generator that costs little: prepared requests over raw asyncio connections, one at a time on each.

`python -m benchmarks.support.load PORT CONNECTIONS SECONDS RUN RATE` prints one JSON line; it is a process of its own.
RATE is requests a second over all connections, and latency then counts from when a request was due; 0 sends each as
soon as the answer before it is there. Only select() waits for less than a millisecond, and a commit takes no more than
that: with a RATE the loop is asyncio's own on select, else uvloop.
"""

import asyncio
import json
import random
import selectors
import sys
import time
from itertools import count
from typing import cast

import uvloop

from benchmarks.support.orders import signed_orders

_HEAD = (
    "POST /webhooks/shopify HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    "user-agent: frazil-benchmark\r\nx-shopify-topic: orders/updated\r\nx-shopify-shop-domain: bench.myshopify.com\r\n"
    "x-shopify-api-version: 2026-07\r\nx-shopify-triggered-at: 2026-01-05T15:00:01Z\r\n"
    "x-shopify-hmac-sha256: {signature}\r\ncontent-length: {length}\r\nx-shopify-webhook-id: {run}-"
)


class _Connection(asyncio.Protocol):
    def __init__(self, requests: list[tuple[bytes, bytes]], numbers: "count[int]", load: "Load") -> None:
        self._requests, self._numbers, self._load = requests, numbers, load
        self._answer = b""
        self._due = time.perf_counter() + random.random() * load.period

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send_when_due()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"\r\n\r\n"):
            return
        self._load.latencies.append(time.perf_counter() - self._due)
        if not self._answer.startswith(b"HTTP/1.1 200"):
            self._load.bad += 1
        self._answer = b""
        self._due = self._due + self._load.period if self._load.period else time.perf_counter()
        self._send_when_due()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)

    def _send_when_due(self) -> None:
        early = self._due - time.perf_counter()
        if not self._load.running:
            self._transport.close()
        elif early > 0:
            asyncio.get_running_loop().call_later(early, self._send)
        else:
            self._send()

    def _send(self) -> None:
        number = next(self._numbers)
        head, body = self._requests[number % len(self._requests)]
        self._transport.write(b"%s%x\r\n\r\n%s" % (head, number, body))


class Load:
    """Answers are expected to have no body, as the server's have."""

    def __init__(self, connections: int, rate: float) -> None:
        self.period = connections / rate if rate else 0.0
        self.latencies: list[float] = []
        self.bad = 0
        self.running = True
        self._open = connections
        self._done = asyncio.Event()

    def lost(self, error: Exception | None) -> None:
        self.bad += self.running or error is not None
        self._open -= 1
        if not self._open:
            self._done.set()

    async def run(self, port: int, connections: int, seconds: float, run: str) -> dict[str, float]:
        requests = [
            (_HEAD.format(signature=signature, length=len(body), run=run).encode(), body)
            for signature, body in signed_orders(64)
        ]
        numbers = count()
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(requests, numbers, self), "127.0.0.1", port)
        warm = min(1.0, seconds / 4)
        await asyncio.sleep(warm)
        self.latencies.clear()
        print("warm", flush=True)
        started = time.perf_counter()
        await asyncio.sleep(seconds)
        elapsed = time.perf_counter() - started
        measured = sorted(self.latencies)
        print("done", flush=True)
        self.running = False
        await asyncio.wait_for(self._done.wait(), 10)
        return {
            "requests": len(measured),
            "seconds": elapsed,
            "per_second": len(measured) / elapsed,
            "p50_ms": measured[len(measured) // 2] * 1e3,
            "p99_ms": measured[int(len(measured) * 0.99)] * 1e3,
            "bad": self.bad,
        }


async def main() -> None:
    port, connections, seconds, run, rate = sys.argv[1:]
    load = Load(int(connections), float(rate))
    print(json.dumps(await load.run(int(port), int(connections), float(seconds), run)))


def loop() -> asyncio.AbstractEventLoop:
    """Precise where requests are due at times, fast where they are not."""
    if float(sys.argv[-1]):
        return asyncio.SelectorEventLoop(selectors.SelectSelector())
    return uvloop.new_event_loop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
