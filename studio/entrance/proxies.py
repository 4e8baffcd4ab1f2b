"""Which headers of a proxy are believed: those from the addresses of ``--auth-proxies``, judged before anything else.

Knows the peer's own address, which is gone once the forwarded one stands in its place.
"""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class Proxies:
    """ASGI middleware: takes ``header`` (who signed in there) away unless a trusted proxy sent it once, and puts the
    address and scheme such a proxy forwards in the place of its own."""

    def __init__(self, app: ASGIApp, trusted: str, header: str = "") -> None:
        networks = [part.strip() for part in trusted.split(",") if part.strip()]
        self._networks = [ipaddress.ip_network(part, strict=False) for part in networks]
        self._app = app
        self._forwarded = ProxyHeadersMiddleware(app, trusted_hosts=networks)  # type: ignore[arg-type]  # same protocol
        self._header = header.lower().encode("latin-1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if self._header:
            said = [value for name, value in scope["headers"] if name == self._header]
            if said and (len(said) > 1 or not self._is_trusted(scope)):
                kept = [(name, value) for name, value in scope["headers"] if name != self._header]
                scope = {**scope, "headers": kept}
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]  # same protocol

    def _is_trusted(self, scope: Scope) -> bool:
        try:
            peer = ipaddress.ip_address((scope.get("client") or ("", 0))[0])
        except ValueError:  # a socket file, a test
            return False
        return any(peer in network for network in self._networks)
