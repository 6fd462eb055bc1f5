"""The server's ASGI application: the door below `/webhooks/`, and Starlette for the pages about the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingestion.webhooks.door import PREFIX, Door, Receive, Scope, Send
from ingestion.webhooks.metrics import exposition
from ingestion.webhooks.worker import Worker


class Application:
    """Requests for webhooks go straight to the door, without middleware; everything else to Starlette."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._door: Door | None = None
        routes = [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
        ]
        self._pages = Starlette(routes=routes, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._door is not None and scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._door(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._door = await self._worker.open()
        yield
        await self._worker.close()

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        self._worker.watch()
        problem = self._worker.problem
        return JSONResponse({"ready": problem is None, "problem": problem}, 200 if problem is None else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(exposition(self._worker.journal_dir), media_type="text/plain; version=0.0.4; charset=utf-8")
