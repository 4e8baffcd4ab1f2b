"""The gate: nobody comes further than the sign-in page without a session, a token or a trusted proxy's word.

ASGI middleware around everything, gradio's own routes too. Knows who is let in and writes it where
``studio.owners.owner_of`` reads it; does not know what a handler does with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.accounts.accounts import Accounts
from studio.accounts.person import Person
from studio.entrance.answers import refuse
from studio.entrance.doors import INSIDE
from studio.entrance.inside import HEADER as INSIDE_HEADER
from studio.entrance.inside import Inside
from studio.owners import OWNER_HEADER

log = logging.getLogger(__name__)

SESSION = "atelier_session"
SIGN_IN = "/sign-in"
OPEN = (SIGN_IN, "/healthz", "/readyz", "/assets/studio/js/scheme.js")
OPEN_BELOW = ("/invitation/", "/shared/", "/assets/studio/css/", "/assets/studio/icons/", "/static/fonts/")
#: of a long answer: how often to look whether it may still be heard, besides whenever somebody is signed out
LOOK_AGAIN = 5.0


@dataclass(frozen=True)
class Known:
    """How somebody was let in, so that it can be asked again."""

    session: str = ""
    token: str = ""
    proxied: str = ""


class Gate:
    """``root``: the prefix under which a proxy serves us. ``header``: in which a proxy says who is there, or empty."""

    def __init__(self, app: ASGIApp, accounts: Accounts, inside: Inside, root: str = "", header: str = "") -> None:
        self._app = app
        self._accounts = accounts
        self._inside = inside
        self._root = root.rstrip("/")
        self._header = header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        own = self._inside.sent(scope)
        scope = _without_ours(scope, own)
        if own or not self._accounts.required:
            await self._app(scope, receive, send)
            return
        known = self._known(HTTPConnection(scope))
        person = self._person(known)
        if person is not None:
            MutableHeaders(scope=scope)[OWNER_HEADER] = person.owner
            self._note(known, person)
            await self._app(scope, receive, self._while_welcome(known, send))
        elif is_open(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._turn_away(scope, receive, send)

    def _known(self, request: HTTPConnection) -> Known:
        if self._header and (name := request.headers.get(self._header, "").strip()):
            return Known(proxied=name)
        bearer = request.headers.get("authorization", "")
        if bearer.lower().startswith("bearer "):
            return Known(token=bearer[7:].strip())
        return Known(session=request.cookies.get(SESSION, ""))

    def _person(self, known: Known) -> Person | None:
        if known.proxied:
            return self._accounts.of_proxy(known.proxied)
        if known.token:
            return self._accounts.sessions.person_of_token(known.token)
        return self._accounts.sessions.person(known.session) if known.session else None

    def _note(self, known: Known, person: Person) -> None:
        """Writes down, aside and at most once a minute, that this person was here."""
        sessions = self._accounts.sessions
        if sessions.unseen(f"{person.account} {known.session}{known.token}"):
            noted = asyncio.get_running_loop().run_in_executor(None, sessions.touch, person, known.session, known.token)
            noted.add_done_callback(_say_failure)

    def _while_welcome(self, known: Known, send: Send) -> Send:
        """``send`` for as long as the person may hear it: a long answer ends when they are signed out."""
        changes, looked, ended = self._accounts.sessions.changes, time.monotonic(), False

        async def sending(message: Message) -> None:
            nonlocal changes, looked, ended
            if ended:
                return
            now, seen = time.monotonic(), self._accounts.sessions.changes
            if message["type"] == "http.response.body" and (seen != changes or now - looked > LOOK_AGAIN):
                changes, looked = seen, now
                if message.get("more_body") and self._person(known) is None:
                    ended, message = True, {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return sending

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and _is_page(scope):
            query = scope.get("query_string", b"").decode("latin-1")
            wanted = scope["path"] + (f"?{query}" if query else "")
            after = f"?next={quote(wanted, safe='')}" if wanted != "/" else ""
            answer = RedirectResponse(f"{self._root}{SIGN_IN}{after}", 303, headers={"Cache-Control": "no-store"})
            await answer(scope, receive, send)
        else:
            await refuse(scope, receive, send, 401, "request.signin")


def is_open(path: str) -> bool:
    """Whether anybody may ask for it. A path that climbs is not what it begins with."""
    if ".." in path or "\\" in path or "//" in path:
        return False
    return path in OPEN or path.startswith(OPEN_BELOW)


def _is_page(scope: Scope) -> bool:
    """Whether a person is looking at it, rather than a script or a picture."""
    return "text/html" in Headers(scope=scope).get("accept", "") and not scope["path"].startswith("/gradio_api/")


def _without_ours(scope: Scope, own: bool) -> Scope:
    """Without the headers only we write; what the studio asks of itself keeps whose it is."""
    ours = [INSIDE_HEADER.encode()] if own else [INSIDE_HEADER.encode(), OWNER_HEADER.encode()]
    return {
        **scope,
        INSIDE: own,
        "headers": [(name, value) for name, value in scope["headers"] if name.lower() not in ours],
    }


def _say_failure(noted: asyncio.Future[None]) -> None:
    if not noted.cancelled() and (error := noted.exception()) is not None:
        log.error("nobody could note who was here", exc_info=error)
