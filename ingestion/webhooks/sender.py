"""Sends generated requests as the vendors would: signed, over many connections, again after a failure."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import uvloop
from pydantic import SecretStr

from ingestion.errors import RetryableError, UsageError
from ingestion.webhooks.client import Answer, Connection, Target
from ingestion.webhooks.generator import Outcome, Request, Signing
from ingestion.webhooks.generator.faults import repeated
from ingestion.webhooks.signatures import sign
from ingestion.webhooks.sources import SourceConfig

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_STALE_SECONDS = 600

Counts = Counter[tuple[str, str]]
"""Requests by (source, outcome)."""


@dataclass
class SendReport:
    """What was sent and what the server said; `expected` and `actual` hold the same total once all is sent."""

    started: int = 0
    seconds: float = 0.0
    retries: int = 0
    bytes_sent: int = 0
    expected: Counts = field(default_factory=Counter)
    actual: Counts = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    """Raw rows that the accepted requests bring, by source."""
    rejects: Counter[str] = field(default_factory=Counter)
    """Quarantine rows, samples of bad signatures not counted."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from the first byte sent to the whole answer, in the order of arrival."""

    @property
    def answered(self) -> int:
        """Requests that are done with."""
        return self.actual.total()

    @property
    def agrees(self) -> bool:
        """Each source's requests were received as they should be."""
        return self.expected == self.actual

    def percentile(self, share: float) -> float:
        """Of the latencies, in seconds; 0 if nothing was sent."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Sender:
    """Sends to one server; `sources` must hold a secret for each source that is sent."""

    def __init__(
        self,
        url: str,
        sources: Mapping[str, SourceConfig],
        public_base_url: str,
        *,
        connections: int = 16,
        attempts: int = 8,
        rate: float | None = None,
        on_answer: Callable[[SendReport], None] | None = None,
    ) -> None:
        self._target = Target.parse(url)
        self._sources = sources
        self._impostors = {name: _impostor(source) for name, source in sources.items()}
        self._base_url = public_base_url
        self._connections = connections
        self._attempts = attempts
        self._rate = rate
        self._on_answer = on_answer
        self._report = SendReport()

    def send(self, requests: Iterator[Request]) -> SendReport:
        """Send all in their order, as many at a time as there are connections.

        Raises RetryableError when the server does not take a request within `attempts`, UsageError when a
        source has no secret.
        """
        self._report = SendReport()
        return uvloop.run(self._send(requests))

    async def _send(self, requests: Iterator[Request]) -> SendReport:
        started = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._connections):
                    group.create_task(self._work(requests, started))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        self._report.seconds = time.monotonic() - started
        return self._report

    async def _work(self, requests: Iterator[Request], started: float) -> None:
        """One connection: takes the next request when its last one was answered."""
        connection = Connection(self._target)
        report = self._report
        try:
            for request in requests:
                place = report.started
                report.started += 1
                if self._rate:
                    await asyncio.sleep(max(0.0, started + place / self._rate - time.monotonic()))
                outcome = await self._deliver(connection, request)
                report.expected[request.source, request.expected] += 1
                report.actual[request.source, outcome] += 1
                report.rows[request.source] += request.rows
                report.rejects[request.source] += request.rejects
                if self._on_answer:
                    self._on_answer(report)
        finally:
            connection.close()

    async def _deliver(self, connection: Connection, request: Request) -> str:
        """Until it is answered for good; what was stored before its answer got lost counts as taken then."""
        pause = _FIRST_PAUSE
        problem = ""
        for attempt in range(self._attempts):
            if attempt:
                self._report.retries += 1
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards nothing
                pause = min(_LONGEST_PAUSE, pause * 2)
                request = _again(request)
            headers, body = self.signed(request)
            began = time.perf_counter()
            try:
                answer = await connection.request("POST", f"/webhooks/{request.source}", headers, body)
            except OSError as error:
                problem = str(error) or type(error).__name__
                continue
            self._report.latencies.append(time.perf_counter() - began)
            self._report.bytes_sent += len(body)
            if answer.status < 500 and answer.status not in (408, 429):
                outcome = outcome_of(answer)
                return request.expected if attempt and outcome == Outcome.REPEATED else outcome
            problem = f"status {answer.status}"
            pause = max(pause, _retry_after(answer))
        where = f"{self._target.host}:{self._target.port}"
        raise RetryableError(f"{where} did not take a request in {self._attempts} attempts ({problem}); is it serving?")

    def signed(self, request: Request) -> tuple[dict[str, str], bytes]:
        """Headers and body as they go over the wire, at this moment."""
        source = self._sources.get(request.source)
        if source is None:
            raise UsageError(f"no config/webhooks/{request.source}.yaml; --sources chooses what is sent")
        if request.signing is Signing.MISSING:
            return dict(request.headers), request.body
        if request.signing is Signing.WRONG_SECRET:
            source = self._impostors[request.source]
        now = time.time() - (_STALE_SECONDS if request.signing is Signing.STALE else 0)
        signature = sign(source, request.body, now, base_url=self._base_url)
        body = request.body
        if request.signing is Signing.TAMPERED:
            body = body[:-1] + bytes([body[-1] ^ 1])
        return {**request.headers, **signature}, body


def outcome_of(answer: Answer) -> str:
    """How the door says it counted the request; an answer that is no outcome is named by its status."""
    outcome = answer.headers.get("x-frazil-outcome")
    return outcome if outcome and answer.status in (200, 401) else f"status {answer.status}"


def _again(request: Request) -> Request:
    """The same delivery once more; HubSpot counts its attempts in the body."""
    if request.source != "hubspot" or request.expected not in (Outcome.ACCEPTED, Outcome.REPEATED):
        return request
    again = repeated(request)
    return Request(
        request.source, again.headers, again.body, request.expected, request.signing, request.rows, request.rejects
    )


def _impostor(source: SourceConfig) -> SourceConfig:
    """The source as someone without its secret signs for it."""
    return source.model_copy(update={"secrets": (SecretStr("whsec_bm90IHRoZSByaWdodCBzZWNyZXQ="),)})


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return min(_LONGEST_PAUSE, float(text)) if text.isdecimal() else 0.0
