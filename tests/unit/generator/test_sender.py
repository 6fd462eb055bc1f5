"""The sender against a peer that fails on purpose; the real server is met in tests/e2e."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import pytest

from ingestion.errors import RetryableError, UsageError
from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.client import Target
from ingestion.webhooks.generator import Faults, Request, Signing, business
from ingestion.webhooks.sender import Sender
from ingestion.webhooks.signatures import verifier
from ingestion.webhooks.sources import load_sources

SECRETS = {f"{name}_WEBHOOK_SECRET": f"{name.lower()}-test-secret" for name in ("SHOPIFY", "STRIPE", "HUBSPOT")}
SOURCES = load_sources(PROJECT_ROOT / "config", SECRETS)
BASE_URL = "http://hooks.example.com"
Peer = Callable[[int, bytes], bytes | None]


def said(status: int, outcome: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nx-frazil-outcome: {outcome}\r\ncontent-length: 2\r\n\r\nok".encode()


OK = said(200, "accepted")


@contextmanager
def peer(answer: Peer) -> Iterator[tuple[str, list[bytes]]]:
    """An HTTP server whose n-th answer is `answer(n, request)`; None hangs up instead."""
    seen: list[bytes] = []
    ready = threading.Event()
    place: dict[str, object] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")
                )
                seen.append(head + await reader.readexactly(length))
                reply = answer(len(seen), seen[-1])
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**22)
        place.update(port=server.sockets[0].getsockname()[1], loop=asyncio.get_running_loop(), stop=asyncio.Event())
        ready.set()
        async with server:
            await place["stop"].wait()  # type: ignore[attr-defined]

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{place['port']}", seen
    finally:
        place["loop"].call_soon_threadsafe(place["stop"].set)  # type: ignore[attr-defined]
        thread.join()


def plain(count: int, source: str | None = None) -> list[Request]:
    stream = business(1, faults=Faults.none())
    return list(islice((r for r in stream if source in (None, r.source)), count))


def status(code: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {code} X\r\n{more}content-length: 0\r\n\r\n".encode()


def test_every_signature_verifies_and_no_forgery_does() -> None:
    sender = Sender("http://127.0.0.1:1", SOURCES, BASE_URL)
    seen: set[tuple[str, Signing]] = set()

    for request in islice(business(1, faults=Faults(forged=0.5)), 2_000):
        headers, body = sender.signed(request)
        raw = {name.encode(): value.encode() for name, value in headers.items()}
        check = verifier(SOURCES[request.source], BASE_URL)

        refusal = check(raw, body, f"/webhooks/{request.source}", time.time())

        seen.add((request.source, request.signing))
        assert (refusal is None) == (request.signing is Signing.GOOD), (request.source, request.signing, refusal)
    assert len(seen) == 3 * 5 - 1


def test_all_requests_arrive_once_over_kept_connections() -> None:
    requests = plain(200)

    with peer(lambda n, request: OK) as (url, seen):
        report = Sender(url, SOURCES, BASE_URL, connections=8).send(iter(requests))

    assert sorted(body.split(b"\r\n\r\n", 1)[1] for body in seen) == sorted(r.body for r in requests)
    assert report.agrees
    assert report.answered == len(report.latencies) == 200
    assert report.retries == 0


def test_a_server_that_is_not_ready_is_asked_again() -> None:
    answers = {1: status(503, "retry-after: 0\r\n"), 2: None, 3: status(500), 4: status(429), 5: b"garbage\r\n\r\n"}

    with peer(lambda n, request: answers.get(n, OK)) as (url, seen):
        report = Sender(url, SOURCES, BASE_URL, connections=1).send(iter(plain(2, "shopify")))

    assert report.agrees
    assert report.retries == 5
    assert len({request.split(b"\r\n\r\n", 1)[1] for request in seen[:6]}) == 1


def test_what_was_stored_before_the_answer_got_lost_counts_as_accepted() -> None:
    repeated = said(200, "repeated")

    with peer(lambda n, request: None if n == 1 else repeated) as (url, _):
        report = Sender(url, SOURCES, BASE_URL, connections=1).send(iter(plain(1)))

    assert report.agrees
    assert report.actual.total() == 1


def test_hubspot_counts_its_attempts_in_the_body() -> None:
    with peer(lambda n, request: status(500) if n < 3 else OK) as (url, seen):
        Sender(url, SOURCES, BASE_URL, connections=1).send(iter(plain(1, "hubspot")))

    assert [request.count(b'"attemptNumber":%d' % n) > 0 for n, request in enumerate(seen)] == [True] * 3


def test_a_wrong_answer_is_a_disagreement() -> None:
    with peer(lambda n, request: said(401, "refused") if n == 3 else status(404) if n == 4 else OK) as (url, _):
        report = Sender(url, SOURCES, BASE_URL, connections=1).send(iter(plain(5, "stripe")))

    assert not report.agrees
    assert report.actual == {("stripe", "accepted"): 3, ("stripe", "refused"): 1, ("stripe", "status 404"): 1}


def test_a_server_that_never_takes_a_request_is_named() -> None:
    with peer(lambda n, request: status(503)) as (url, _), pytest.raises(RetryableError, match="status 503"):
        Sender(url, SOURCES, BASE_URL, connections=2, attempts=3).send(iter(plain(5)))


def test_a_source_without_a_secret_is_named() -> None:
    bare = load_sources(PROJECT_ROOT / "config", {})

    with pytest.raises(UsageError, match="no secret"):
        Sender("http://127.0.0.1:1", bare, BASE_URL).send(iter(plain(1)))


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8090", "ftp://x", "http://", "http://host/?a=b", "http://[::1", "http://x:99999"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="write http"):
        Target.parse(url)
