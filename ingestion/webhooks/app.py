"""The pages about the server: a small Starlette application. Webhooks take a shorter way, see protocol.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingestion.webhooks.door import Door
from ingestion.webhooks.metrics import exposition
from ingestion.webhooks.worker import Worker


def pages(worker: Worker) -> Starlette:
    """`/healthz`, `/readyz` and `/metrics`; its lifespan opens and closes `worker`, and gives connections the door."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        worker.watch()
        problem = worker.problem
        return JSONResponse({"ready": problem is None, "problem": problem}, 200 if problem is None else 503)

    async def metrics(_: Request) -> Response:
        return Response(exposition(worker.journal_dir), media_type="text/plain; version=0.0.4; charset=utf-8")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Door]]:
        yield {"door": await worker.open()}
        await worker.close()

    routes = [Route("/healthz", health), Route("/readyz", ready), Route("/metrics", metrics)]
    return Starlette(routes=routes, lifespan=lifespan)
