"""A small HTTP/1.1 client: one kept-alive connection, one request at a time, nothing copied that need not be."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from ingestion.errors import UsageError

_OWN = frozenset({"host", "content-length", "connection"})


class Answer(NamedTuple):
    """Status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Target(NamedTuple):
    """Where requests go; `path` is put before each request's own path."""

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Target":
        """`http://host:port` or `https://...`; raises UsageError for anything else."""
        told = UsageError(f"{url}: write http://host:port or https://host:port")
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise told from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise told
        return cls(parts.hostname, port, parts.path.rstrip("/"), parts.scheme == "https")


class Connection:
    """Opens itself when needed; a broken one is opened again at the next request."""

    def __init__(self, target: Target, timeout: float = 10.0) -> None:
        self._target = target
        self._timeout = timeout
        self._wire: _Wire | None = None

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Raises OSError when no whole answer came (refused, cut off, or slower than the timeout)."""
        head = [f"{method} {self._target.path}{path} HTTP/1.1\r\nhost: {self._target.host}:{self._target.port}\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() not in _OWN]
        head.append(f"content-length: {len(body)}\r\n\r\n")
        try:
            async with asyncio.timeout(self._timeout):
                if self._wire is None or not self._wire.is_open:
                    self._wire = await self._opened()
                return await self._wire.exchange("".join(head).encode("latin-1") + body)
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """The next request opens the connection again."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _opened(self) -> "_Wire":
        context = ssl.create_default_context() if self._target.tls else None
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(_Wire, self._target.host, self._target.port, ssl=context)
        return wire


class _Wire(asyncio.Protocol):
    """One connection from its opening to its end."""

    def __init__(self) -> None:
        self.is_open = False
        self._waiting: asyncio.Future[Answer] | None = None

    async def exchange(self, request: bytes) -> Answer:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = b""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._fail("the connection was closed before the answer")

    def data_received(self, data: bytes) -> None:
        try:
            if self._waiting is None:
                raise httptools.HttpParserError("nothing was asked")
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP: {error}")
            self.close()

    # httptools calls these

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._waiting is None or self._waiting.done():
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._waiting.set_result(Answer(self._parser.get_status_code(), self._headers, self._body))

    def _fail(self, message: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(message))
