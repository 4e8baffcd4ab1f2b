"""Whose request this is: the account's that the gate found, else a random cookie a browser, or the same as a bearer.

Knows cookies and headers. Does not know rights. Without accounts a client without either (a script on this machine,
say) belongs to ``local``, so that a script that reconnects finds its jobs again.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "atelier"
#: written by studio.entrance.gate, which takes away whatever a client sends under this name
OWNER_HEADER = "x-atelier-owner"
LOCAL = "local"
_YEAR = 365 * 24 * 3600


class Asking(Protocol):
    """What gradio's and starlette's requests have in common."""

    @property
    def headers(self) -> Mapping[str, str] | Any: ...

    @property
    def cookies(self) -> Mapping[str, str] | Any: ...


def owner_of(request: Asking) -> str:
    """A name that stays the same for one browser or token, and from which the token cannot be found."""
    if account := str(request.headers.get(OWNER_HEADER, "")):
        return account
    bearer = str(request.headers.get("authorization", ""))
    token = bearer[7:].strip() if bearer.lower().startswith("bearer ") else request.cookies.get(COOKIE, "")
    if not token:
        return LOCAL
    return "b" + hashlib.sha256(str(token).encode()).hexdigest()[:24]


class GiveCookie:
    """ASGI middleware: a browser that opens the page without a cookie gets one."""

    def __init__(self, app: ASGIApp, path: str = "/", secure: bool = False) -> None:
        self._app = app
        self._path = path
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or COOKIE in HTTPConnection(scope).cookies:
            await self._app(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                tail = "; Secure" if self._secure or scope.get("scheme") == "https" else ""
                value = f"{COOKIE}={secrets.token_urlsafe(32)}; Max-Age={_YEAR}; Path=/; HttpOnly; SameSite=Lax{tail}"
                MutableHeaders(scope=message).append("set-cookie", value)
            await send(message)

        await self._app(scope, receive, with_cookie)
