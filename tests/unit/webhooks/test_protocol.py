"""What the server keeps of a request once it is answered."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from uvicorn.server import ServerState

from ingestion.webhooks.app import pages
from ingestion.webhooks.limits import Limits
from ingestion.webhooks.protocol import Exchange, WebhookProtocol
from ingestion.webhooks.signatures import sign
from ingestion.webhooks.sources import SourceConfig
from ingestion.webhooks.worker import Worker


@asynccontextmanager
async def connected(worker: Worker) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, ServerState]]:
    """One connection to a server of that worker, which ends with it."""
    door = await worker.open()
    config = uvicorn.Config(pages(worker), http=WebhookProtocol, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: WebhookProtocol(config=config, server_state=state, app_state={"door": door}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer, state
    writer.close()
    server.close()
    await worker.close()


async def next_status(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]


async def answered(worker: Worker, request: bytes, times: int) -> list[bytes]:
    """The status line of each answer, one request after the other on one connection."""
    lines = []
    async with connected(worker) as (reader, writer, _):
        for _ in range(times):
            writer.write(request)
            lines.append(await next_status(reader))
    return lines


def test_a_request_is_gone_when_it_is_answered(sources: dict[str, SourceConfig], tmp_path: Path) -> None:
    shopify = sources["shopify"]
    worker = Worker({"shopify": shopify}, tmp_path, base_url="https://x", limits=Limits())
    body = b'{"id":5,"updated_at":"2026-01-01T00:00:00Z"}'
    signed = sign(shopify, body, time.time(), base_url="https://x")
    headers = {"x-shopify-topic": "orders/create", "content-length": str(len(body)), **signed}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = b"POST /webhooks/shopify HTTP/1.1\r\n%s\r\n%s" % (head.encode(), body)
    gc.collect()
    gc.disable()
    try:
        lines = asyncio.run(answered(worker, request, 50))
        left = sum(isinstance(found, Exchange) for found in gc.get_objects())
    finally:
        gc.enable()

    assert lines == [b"HTTP/1.1 200 OK"] * 50
    assert left <= 1  # the connection's last


async def answers_to(worker: Worker, pieces: list[bytes], count: int) -> list[bytes]:
    """The status lines of `count` answers on one connection, to which the pieces come in one read each."""
    async with connected(worker) as (reader, _, state):
        while not state.connections:
            await asyncio.sleep(0)
        (connection,) = state.connections
        for piece in pieces:
            connection.data_received(piece)
        return [await next_status(reader) for _ in range(count)]


def test_what_came_before_a_request_is_not_counted_as_its_headers(
    sources: dict[str, SourceConfig], tmp_path: Path
) -> None:
    worker = Worker(sources, tmp_path, base_url="https://x", limits=Limits())
    request = b"GET /webhooks/x HTTP/1.1\r\n\r\n"

    lines = asyncio.run(answers_to(worker, [request * 9_000 + request[:10], request[10:]], 9_001))

    assert set(lines) == {b"HTTP/1.1 404 Not Found"}
