"""Whether a request that changes something comes from our own page: other sites must not act in a person's name.

Knows what browsers say of where a request comes from. Holds with and without accounts: a page on the net could
otherwise post to a studio on the reader's own machine.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.entrance.answers import refuse
from studio.entrance.inside import Inside

SAFE = ("GET", "HEAD", "OPTIONS")


class SameOrigin:
    """ASGI middleware: refuses unsafe methods and websockets from elsewhere. A script that says nothing of where it
    comes from passes with a bearer, or without a cookie and a proxy's ``header``: then nobody's rights come along by
    themselves."""

    def __init__(self, app: ASGIApp, inside: Inside, header: str = "") -> None:
        self._app = app
        self._inside = inside
        self._ambient = ("cookie", header) if header else ("cookie",)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        changes = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in SAFE)
        if changes and not self._inside.sent(scope) and not self._is_ours(HTTPConnection(scope)):
            await refuse(scope, receive, send, 403, "request.origin")
            return
        await self._app(scope, receive, send)

    def _is_ours(self, request: HTTPConnection) -> bool:
        said = request.headers.get("sec-fetch-site")
        if said is not None:
            return said in ("same-origin", "none")
        origin = request.headers.get("origin")
        if origin is not None:
            # a foreign page cannot set these headers without asking first, which nobody here answers with yes
            hosts = [request.headers.get("host", ""), request.headers.get("x-forwarded-host", "").split(",")[0].strip()]
            return urlsplit(origin).netloc.lower() in [host.lower() for host in hosts if host]
        bearer = request.headers.get("authorization", "").lower().startswith("bearer ")
        return bearer or not any(name in request.headers for name in self._ambient)
