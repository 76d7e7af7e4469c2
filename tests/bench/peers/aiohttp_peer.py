"""aiohttp on uvloop: the multipart reader of its documentation, files in the loop's executor."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web
from durable import keep, port, understand


async def receive(request: web.Request) -> web.Response:
    """Read, parse, keep, answer."""
    if request.content_type.startswith("multipart/"):
        payloads = []
        async for part in await request.multipart():
            payload = await part.read()
            payloads.append(payload)
            if part.headers.get("Content-Type", "").startswith(("application/json", "application/xml")):
                understand(bytes(payload))
        # The stream is read once, so its parts are kept, one behind the other.
        body = b"".join(payloads)
    else:
        body = await request.read()
        understand(body)
    await asyncio.get_running_loop().run_in_executor(None, keep, body)
    return web.Response()


async def application() -> web.Application:
    """One route."""
    app = web.Application(client_max_size=32_000_000)
    app.router.add_post("/", receive)
    return app


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    web.run_app(application(), host="127.0.0.1", port=port(), access_log=None, print=None)
