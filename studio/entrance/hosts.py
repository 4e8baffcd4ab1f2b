"""By which names the studio may be called where nobody signs in: those of this machine, and those it was told.

A page of another site can have its own name lead to this machine and would then count as our own page. Knows the Host
header, which a browser writes and no page can change.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.entrance.answers import refuse
from studio.settings import is_loopback


class KnownHosts:
    """ASGI middleware. ``names``: others than those of this machine, without a port."""

    def __init__(self, app: ASGIApp, names: list[str]) -> None:
        self._app = app
        self._names = {name.strip().strip("[]").lower().rstrip(".") for name in names if name.strip()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            said = Headers(scope=scope).getlist("host")
            name = _name(said[0]) if len(said) == 1 else ""
            if name not in self._names and not _is_own(name):
                await refuse(scope, receive, send, 421, "request.host", host=", ".join(said)[:80] or "''")
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str:
    """Without the port, in one spelling; empty for what is no name."""
    try:
        parts = urlsplit(f"//{host}")
        found = parts.hostname or ""
    except ValueError:
        return ""
    plain = parts.username is None and not parts.path and not parts.query and not parts.fragment
    return found.rstrip(".") if plain else ""


def _is_own(name: str) -> bool:
    """Whether it can only be this machine: browsers ask nobody for the address of these."""
    return name.endswith(".localhost") or is_loopback(name)
