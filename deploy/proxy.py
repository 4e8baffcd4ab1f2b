"""A small reverse proxy for the demonstration: one address before several web processes, sticky by a cookie.

Knows HTTP and which processes there are. Streams both ways and buffers nothing. A browser stays with the process that
holds its page; where that is gone it is sent to another, which knows its library and its jobs as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from itertools import count

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

COOKIE = "atelier-web"
#: of one connection only (RFC 9110, section 7.6.1)
_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}


class Sticky:
    """ASGI application: hands requests to one of ``backends`` (http://HOST:PORT), each browser's to the same."""

    def __init__(self, backends: Sequence[str]) -> None:
        self._backends = list(backends)
        self._turn = count()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=2.0), limits=limits, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = Request(scope, receive)
        mine = self._mine(request)
        for number in sorted(range(len(self._backends)), key=lambda one: (one - mine) % len(self._backends)):
            try:
                answer = await self._client.send(self._asked(request, self._backends[number]), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            await self._pass_on(answer, number, receive, send)
            return
        await PlainTextResponse("No web process answers.\n", 502)(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    def _mine(self, request: Request) -> int:
        said = request.cookies.get(COOKIE, "")
        known = said.isdigit() and int(said) < len(self._backends)
        return int(said) if known else next(self._turn) % len(self._backends)

    def _asked(self, request: Request, backend: str) -> httpx.Request:
        kept = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") not in _HOP]
        client = request.client.host if request.client else ""
        forwarded = {
            "x-forwarded-for": client,
            "x-forwarded-proto": "http",
            "x-forwarded-host": request.headers.get("host", ""),
        }
        headers = [
            *((name, value) for name, value in kept if name.decode("latin-1") not in forwarded),
            *((name.encode(), value.encode("latin-1")) for name, value in forwarded.items()),
        ]
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1").partition("?")[0]
        body = request.stream() if _has_body(request) else None
        return self._client.build_request(request.method, f"{backend}{path}{query}", headers=headers, content=body)

    async def _pass_on(self, answer: httpx.Response, number: int, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in answer.headers.raw if name.decode("latin-1").lower() not in _HOP]
        headers.append((b"set-cookie", f"{COOKIE}={number}; Path=/; HttpOnly; SameSite=Lax".encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        gone = asyncio.create_task(_left(receive))
        try:
            async for piece in _until(answer.aiter_raw(), gone):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await answer.aclose()


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


async def _left(receive: Receive) -> None:
    """Returns once the browser has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until(pieces: AsyncIterator[bytes], gone: asyncio.Task[None]) -> AsyncIterator[bytes]:
    """The pieces, as long as somebody listens and the process behind it lives."""
    with contextlib.suppress(StopAsyncIteration, httpx.TransportError):
        while True:
            following = asyncio.ensure_future(anext(pieces))
            await asyncio.wait((following, gone), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
                return
            yield following.result()
