"""`POST /webhooks/<source>`: check, journal, answer. A raw ASGI callable, since every request goes through it."""

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import msgspec

from ingestion.webhooks import metrics
from ingestion.webhooks.counters import Counters, Key
from ingestion.webhooks.events import reader
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.limits import Limits, TokenBucket
from ingestion.webhooks.signatures import signature_headers, verifier
from ingestion.webhooks.sources import SIGNATURE_HEADERS, SourceConfig
from ingestion.webhooks.writer import JournalUnavailableError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/webhooks/"
BODY_LATE = "frazil.body_late"
_CORRELATION = re.compile(rb"[A-Za-z0-9._:-]{1,64}(?!\n)")
_encode = msgspec.json.Encoder().encode
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where deliveries go: GroupWriter, or in benchmarks a place that stores nothing."""

    def submit(self, delivery: Delivery) -> "asyncio.Future[bool]": ...


class _Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]


def _answer(status: int, outcome: bytes, *extra: tuple[bytes, bytes]) -> _Answer:
    return _Answer(status, [(b"content-length", b"0"), (b"x-frazil-outcome", outcome), *extra])


_RETRY = (b"retry-after", b"5")
_STORED = {name: _answer(200, name.encode()) for name in ("accepted", "repeated", "quarantined")}
_REFUSED = {
    "signature": _answer(401, b"refused"),
    "source": _answer(404, b"refused"),
    "method": _answer(405, b"refused", (b"allow", b"POST")),
    "size": _answer(413, b"refused"),
    "encoding": _answer(415, b"refused"),
    "rate": _answer(429, b"refused"),
    "unavailable": _answer(503, b"refused", _RETRY),
}


class _RefusedError(Exception):
    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class _Lane:
    """One source, with what the hot path needs already looked up."""

    def __init__(self, source: SourceConfig, base_url: str, limits: Limits, counters: Counters) -> None:
        self.name = source.source
        self.verify = verifier(source, base_url)
        self.signature_headers = signature_headers(source)
        self.inspect = reader(source).inspect
        self.kept = [(name.encode(), name) for name in source.kept_headers]
        names = SIGNATURE_HEADERS[source.signature.scheme]
        self.kept_in_samples = [*self.kept, *((name.encode(), name) for name in names)]
        rate = source.requests_per_second or limits.requests_per_second
        self.bucket = TokenBucket(rate, max(1.0, rate)) if rate else None
        self.received = counters.slot(metrics.requests(self.name))
        self.accepted = counters.slot(metrics.outcome(self.name, "accepted"))
        self.repeated = counters.slot(metrics.outcome(self.name, "repeated"))
        self.sampled = counters.slot(Key("frazil_webhook_samples_total", (self.name,)))
        self.quarantined = {
            reason: counters.slot(metrics.outcome(self.name, "quarantined", reason))
            for reason in (*metrics.DOOR_REASONS, *source.quarantine_when)
        }
        self.refused = {
            reason: counters.slot(metrics.outcome(self.name, "refused", reason)) for reason in metrics.REFUSALS
        }


class Door:
    """Takes the requests below `/webhooks/`.

    `is_open` is asked after the signature: False answers 503. Requests are counted when their headers are
    complete, and once more with their outcome, so the counts balance whenever nothing is in flight.
    """

    def __init__(
        self,
        sources: Iterable[SourceConfig],
        base_url: str,
        limits: Limits,
        counters: Counters,
        sink: Sink,
        is_open: Callable[[], bool],
    ) -> None:
        self._lanes = {PREFIX + source.source: _Lane(source, base_url, limits, counters) for source in sources}
        self._limits = limits
        self._counts = counters.values
        self._unknown = (
            counters.slot(metrics.requests(metrics.UNKNOWN)),
            counters.slot(metrics.outcome(metrics.UNKNOWN, "refused", "source")),
        )
        self._submit = sink.submit
        self._is_open = is_open
        self._samples = TokenBucket(limits.samples_per_minute / 60, limits.samples_per_minute)
        self._log_lines = TokenBucket(10.0, 50.0)
        self._run = secrets.token_hex(5).encode()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pairs: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(pairs)
        correlation = headers.get(b"x-correlation-id")
        if correlation is None or not _CORRELATION.fullmatch(correlation):
            correlation = b"%s-%x" % (self._run, next(self._numbers))
        lane = self._lanes.get(scope["path"])
        if lane is None:
            self._counts[self._unknown[0]] += 1
            self._counts[self._unknown[1]] += 1
            await _send(send, _REFUSED["source"], correlation)
            return
        self._counts[lane.received] += 1
        try:
            answer = await self._take(lane, scope, receive, pairs, headers, correlation)
        except _RefusedError as refusal:
            self._counts[lane.refused[refusal.reason]] += 1
            self._log("webhook_refused", lane, refusal.reason, correlation)
            answered = _REFUSED.get(refusal.reason)
            if answered is None:
                return
            if refusal.retry_after:
                answered = answered._replace(
                    headers=[*answered.headers, (b"retry-after", b"%d" % max(1, round(refusal.retry_after + 0.5)))]
                )
            answer = answered
        except asyncio.CancelledError:
            self._counts[lane.refused["unavailable"]] += 1
            raise
        await _send(send, answer, correlation)

    async def _take(
        self,
        lane: _Lane,
        scope: Scope,
        receive: Receive,
        pairs: list[tuple[bytes, bytes]],
        headers: dict[bytes, bytes],
        correlation: bytes,
    ) -> _Answer:
        if scope["method"] != "POST":
            raise _RefusedError("method")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise _RefusedError("encoding")
        body = await self._body(scope, receive, headers)
        if len(pairs) != len(headers) and self._doubled(lane, pairs):
            await self._refuse_signature(lane, headers, body, correlation)
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope["query_string"]
        target = (raw_path + b"?" + query if query else raw_path).decode("latin-1")
        if lane.verify(headers, body, target, time.time()) is not None:
            await self._refuse_signature(lane, headers, body, correlation)
        if lane.bucket is not None:
            wait = lane.bucket.take(time.monotonic())
            if wait:
                raise _RefusedError("rate", wait)
        if not self._is_open():
            raise _RefusedError("unavailable")
        kept = {name: headers[key].decode("latin-1") for key, name in lane.kept if key in headers}
        delivery_id, reason = lane.inspect(kept, body)
        kept["x-correlation-id"] = correlation.decode()
        delivery = Delivery(lane.name, delivery_id, time.time_ns() // 1_000, _encode(kept), body, reason)
        try:
            stored = await self._submit(delivery)
        except JournalUnavailableError:
            raise _RefusedError("unavailable") from None
        if not stored:
            self._counts[lane.repeated] += 1
            return _STORED["repeated"]
        if reason is None:
            self._counts[lane.accepted] += 1
            return _STORED["accepted"]
        self._counts[lane.quarantined[reason]] += 1
        self._log("webhook_quarantined", lane, reason, correlation)
        return _STORED["quarantined"]

    async def _body(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        limit = self._limits.body_bytes
        announced = headers.get(b"content-length")
        if announced is not None and int(announced) > limit:
            raise _RefusedError("size")
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            whole: bytes = message["body"]
            if len(whole) > limit:
                raise _RefusedError("size")
            return whole
        chunks: list[bytes] = []
        size = 0
        while True:
            if message["type"] != "http.request":
                raise _RefusedError("deadline" if scope.get(BODY_LATE) else "disconnected")
            chunks.append(message["body"])
            size += len(chunks[-1])
            if size > limit:
                raise _RefusedError("size")
            if not message["more_body"]:
                return b"".join(chunks)
            message = await receive()

    @staticmethod
    def _doubled(lane: _Lane, pairs: list[tuple[bytes, bytes]]) -> bool:
        names = [name for name, _ in pairs if name in lane.signature_headers]
        return len(names) != len(set(names))

    async def _refuse_signature(
        self, lane: _Lane, headers: dict[bytes, bytes], body: bytes, correlation: bytes
    ) -> None:
        """Raises; a few of these requests a minute are kept, since what they hold is a stranger's choice."""
        if self._is_open() and self._samples.take(time.monotonic()) == 0.0:
            kept = {name: headers[key].decode("latin-1") for key, name in lane.kept_in_samples if key in headers}
            kept["x-correlation-id"] = correlation.decode()
            text = _encode(kept)
            now = time.time_ns() // 1_000
            sample_id = sha256(b"sample;%d;%s;%s" % (now, text, body)).digest()[:16]
            try:
                await self._submit(Delivery(lane.name, sample_id, now, text, body, "signature"))
                self._counts[lane.sampled] += 1
            except JournalUnavailableError:
                log.warning("webhook_sample_not_kept", extra={"source": lane.name})
        raise _RefusedError("signature")

    def _log(self, event: str, lane: _Lane, reason: str, correlation: bytes) -> None:
        """At most ten lines a second: the counters hold the exact numbers."""
        if self._log_lines.take(time.monotonic()) == 0.0:
            extra = {"source": lane.name, "reason": reason, "correlation_id": correlation.decode()}
            log.warning(event, extra=extra)


async def _send(send: Send, answer: _Answer, correlation: bytes) -> None:
    headers = [*answer.headers, (b"x-correlation-id", correlation)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
