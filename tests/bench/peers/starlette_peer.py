"""Starlette on uvicorn (uvloop, httptools): its form parser, files in its thread pool."""

from __future__ import annotations

import uvicorn
from durable import keep, port, understand
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def receive(request: Request) -> Response:
    """Read, parse, keep, answer."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("multipart/"):
        async with request.form() as form:
            for value in form.values():
                if isinstance(value, str):
                    understand(value.encode())
    else:
        understand(body)
    await run_in_threadpool(keep, body)
    return Response()


app = Starlette(routes=[Route("/", receive, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port(),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
