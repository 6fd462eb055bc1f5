"""`POST /webhooks/<source>`: check, journal, answer. Plain calls, no tasks: every request goes through here."""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec

from ingestion.reasons import SIGNATURE
from ingestion.webhooks import metrics
from ingestion.webhooks.answers import REFUSED, STORED, Answer, refused, stored
from ingestion.webhooks.counters import Counters, Key
from ingestion.webhooks.events import reader
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.limits import Arriving, Limits, TokenBucket
from ingestion.webhooks.signatures import signature_headers, verifier
from ingestion.webhooks.sources import SIGNATURE_HEADERS, SourceConfig

PREFIX = b"/webhooks/"
_CORRELATION = re.compile(rb"[A-Za-z0-9._:-]{1,64}(?!\n)")
_SAMPLE_BYTES = 16 * 1024  # of a sample's body, and
_SAMPLE_HEADER_BYTES = 1024  # of each of its headers
_BLANKS = b" \t"  # around a header's value, not part of it
_encode = msgspec.json.Encoder().encode
log = logging.getLogger(__name__)

Pairs = list[tuple[bytes, bytes]]
Stored = Callable[[bool | None], None]


class Journalling(Protocol):
    """Where deliveries go: GroupWriter, TopicWriter, or in benchmarks a place that stores nothing."""

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        """Calls `stored` once: True, False for a repeat, None when it is not on disk."""


class Request(NamedTuple):
    """`pairs` are the headers as sent, with lower-case names; `target` is path and query."""

    method: bytes
    target: bytes
    pairs: Pairs
    headers: dict[bytes, bytes]
    correlation: bytes


Reply = Callable[[Answer], None]


_STORED = {name: stored(name) for name in STORED}
_REFUSED = {name: refused(name) for name, kind in REFUSED.items() if kind.status is not None}


def _too_many(wait: float) -> Answer:
    return refused("rate", f"retry-after: {int(min(wait, 3_600)) + 1}\r\n")


class Lane:
    """One source, with what each request needs already looked up."""

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

    def is_doubled(self, pairs: Pairs) -> bool:
        """Whether a signature header stands there twice."""
        names = [name for name, _ in pairs if name in self.signature_headers]
        return len(names) != len(set(names))


class Door:
    """Takes the requests below `/webhooks/`, in two steps: `enter` with the headers, `take` with the whole body.

    `is_open` is asked after the signature; False answers 503. A request is counted when its headers are complete,
    and once more with its outcome, so the counts balance whenever nothing is in flight.
    """

    def __init__(
        self,
        sources: Iterable[SourceConfig],
        base_url: str,
        limits: Limits,
        counters: Counters,
        journalling: Journalling,
        is_open: Callable[[], bool],
    ) -> None:
        self._lanes = {PREFIX + item.source.encode(): Lane(item, base_url, limits, counters) for item in sources}
        self.body_limit = limits.body_bytes
        self.arriving = Arriving(limits.arriving_bytes)
        self._counts = counters.values
        self._unknown = (
            counters.slot(metrics.requests(metrics.UNKNOWN)),
            counters.slot(metrics.outcome(metrics.UNKNOWN, "refused", "source")),
        )
        self._submit = journalling.submit
        self._is_open = is_open
        self._samples = TokenBucket(limits.samples_per_minute / 60, limits.samples_per_minute)
        self._log_lines = TokenBucket(10.0, 50.0)
        self._run = secrets.token_hex(5).encode()
        self._numbers = itertools.count(1)

    def request(self, method: bytes, target: bytes, pairs: Pairs) -> Request:
        """With the sender's correlation id if it is a sane one, else with a new one."""
        headers = dict(pairs)
        correlation = headers.get(b"x-correlation-id")
        if correlation is None or not _CORRELATION.fullmatch(correlation):
            correlation = b"%s-%x" % (self._run, next(self._numbers))
        return Request(method, target, pairs, headers, correlation)

    def enter(self, request: Request) -> Lane | Answer:
        """The source's lane when its body is wanted, else the answer."""
        lane = self._lanes.get(request.target.partition(b"?")[0])
        if lane is None:
            self._counts[self._unknown[0]] += 1
            self._counts[self._unknown[1]] += 1
            return _REFUSED["source"]
        self._counts[lane.received] += 1
        if request.method != b"POST":
            return self.refuse(lane, "method", request)
        headers = request.headers
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding != b"identity" and encoding.strip(_BLANKS).lower() != b"identity":
            return self.refuse(lane, "encoding", request)
        length = headers.get(b"content-length")
        if length is not None and int(length) > self.body_limit:
            return self.refuse(lane, "size", request)
        return lane

    def take(self, lane: Lane, request: Request, body: bytes, reply: Reply) -> None:
        """Calls `reply` once, now or when the delivery is on disk."""
        headers = request.headers
        if len(headers) != len(request.pairs) and lane.is_doubled(request.pairs):
            self._refuse_signature(lane, request, body, reply)
            return
        target, now = request.target.decode("latin-1"), time.time()
        if lane.verify(headers, body, target, now) is not None:
            trimmed = {name: value.strip(_BLANKS) for name, value in headers.items()}
            if trimmed == headers or lane.verify(trimmed, body, target, now) is not None:
                self._refuse_signature(lane, request, body, reply)
                return
        if lane.bucket is not None:
            wait = lane.bucket.take(time.monotonic())
            if wait:
                self.count_refusal(lane, "rate", request)
                reply(_too_many(wait))
                return
        if not self._is_open():
            reply(self.refuse(lane, "unavailable", request))
            return
        kept = {name: headers[key].strip(_BLANKS).decode("latin-1") for key, name in lane.kept if key in headers}
        delivery_id, reason, name = lane.inspect(kept, body)
        kept["x-correlation-id"] = request.correlation.decode()

        def stored(is_new: bool | None) -> None:
            if is_new is None:
                reply(self.refuse(lane, "unavailable", request))
            elif not is_new:
                self._counts[lane.repeated] += 1
                reply(_STORED["repeated"])
            elif reason is None:
                self._counts[lane.accepted] += 1
                reply(_STORED["accepted"])
            else:
                self._counts[lane.quarantined[reason]] += 1
                self._log("webhook_quarantined", lane, reason, request)
                reply(_STORED["quarantined"])

        at = time.time_ns() // 1_000
        self._submit(Delivery(lane.name, delivery_id, at, _encode(kept), body, reason, name), stored)

    def refuse(self, lane: Lane, reason: str, request: Request) -> Answer:
        """Count a refusal; the answer does not say more than its status."""
        self.count_refusal(lane, reason, request)
        return _REFUSED[reason]

    def count_refusal(self, lane: Lane, reason: str, request: Request) -> None:
        """For refusals that have no answer, or one of their own."""
        self._counts[lane.refused[reason]] += 1
        self._log("webhook_refused", lane, reason, request)

    def _refuse_signature(self, lane: Lane, request: Request, body: bytes, reply: Reply) -> None:
        """The head of a few of these requests a minute is kept, since what they hold is a stranger's choice."""
        if not self._is_open() or self._samples.take(time.monotonic()):
            reply(self.refuse(lane, "signature", request))
            return
        headers = request.headers
        kept = {
            name: headers[key][:_SAMPLE_HEADER_BYTES].decode("latin-1")
            for key, name in lane.kept_in_samples
            if key in headers
        }
        kept["x-correlation-id"] = request.correlation.decode()
        if len(body) > _SAMPLE_BYTES:
            kept["x-frazil-body-bytes"] = str(len(body))
            body = body[:_SAMPLE_BYTES]
        text = _encode(kept)
        now = time.time_ns() // 1_000
        sample_id = sha256(b"sample;%d;%s;%s" % (now, text, body)).digest()[:16]

        def stored(is_new: bool | None) -> None:
            self._counts[lane.sampled] += bool(is_new)
            reply(self.refuse(lane, "signature", request))

        self._submit(Delivery(lane.name, sample_id, now, text, body, SIGNATURE), stored)

    def _log(self, event: str, lane: Lane, reason: str, request: Request) -> None:
        """At most ten lines a second: the counters hold the exact numbers."""
        if self._log_lines.take(time.monotonic()) == 0.0:
            extra = {"source": lane.name, "reason": reason, "correlation_id": request.correlation.decode()}
            log.warning(event, extra=extra)
