"""gradio's own doors, which know no persons: its files, its pages' event streams, what is posted to its queue.

ASGI middleware behind the gate. A file is its owner's, and so is a page (gradio calls it a session) from the first
request that names it, in the process that it was opened at. Holds bodies that ``BodyLimit`` let through, so they are
small.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.entrance.answers import refuse
from studio.entrance.bodies import hold, parsed
from studio.library.handed import Handed
from studio.owners import OWNER_HEADER

#: set in the scope by the gate for what the studio asks of itself, where one page serves many people
INSIDE = "atelier.inside"
_API = "/gradio_api/"
_FILE = re.compile(r"^/gradio_api/file[=/](.*)$", re.DOTALL)
_PAGE = re.compile(r"^/gradio_api/(?:heartbeat/|stream/|call/(?:v2/)?[^/]+/)([^/]+)$")
#: what is begun here is listened to under a name that the answer says
_BEGUN = re.compile(r"^/gradio_api/(?:queue/join|call/.+)$", re.DOTALL)
_REMEMBERED = 20_000


class GradioDoors:
    """Looks at every request to gradio. Without accounts only at what nobody may do."""

    def __init__(self, app: ASGIApp, handed: Handed) -> None:
        self._app = app
        self._handed = handed
        self._pages: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_API):
            await self._app(scope, receive, send)
            return
        owner = Headers(scope=scope).get(OWNER_HEADER, "")
        file = _FILE.match(scope["path"])
        if file and not self._may_have(owner, file.group(1)):
            await refuse(scope, receive, send, 404, "file.others")
        elif owner:
            await self._as(owner, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_have(self, owner: str, path: str) -> bool:
        """gradio would also fetch an address in a file's place, for anybody."""
        return "://" not in path and (not owner or self._handed.has(owner, path))

    async def _as(self, owner: str, scope: Scope, receive: Receive, send: Send) -> None:
        uploads = scope["path"].rstrip("/") == f"{_API}upload"
        if uploads and scope["method"] == "POST":
            MutableHeaders(scope=scope)["accept-encoding"] = "identity"  # the answer is read on its way out
            await self._app(scope, receive, _Learning(lambda paths: self._given(owner, paths), send).send)
            return
        body: Any = None
        if scope["method"] == "POST" and not scope["path"].startswith(f"{_API}mcp"):
            held, receive = await hold(receive)
            body = parsed(held)
        if not scope.get(INSIDE) and not all(self._is_page_of(owner, name) for name in _pages(scope, body)):
            await refuse(scope, receive, send, 403, "page.others")
        elif not all(self._handed.has(owner, path) for path in _files(body)):
            await refuse(scope, receive, send, 403, "file.others")
        elif scope["method"] == "POST" and _BEGUN.match(scope["path"]) and not scope.get(INSIDE):
            MutableHeaders(scope=scope)["accept-encoding"] = "identity"
            await self._app(scope, receive, _Learning(lambda begun: self._begun(owner, begun), send).send)
        else:
            await self._app(scope, receive, send)

    def _given(self, owner: str, paths: Any) -> None:
        """The answer to an upload: the files are whose upload it was."""
        for path in paths if isinstance(paths, list) else []:
            self._handed.give(owner, str(path))

    def _begun(self, owner: str, begun: Any) -> None:
        """The answer to a call: what it says will be said to the caller only."""
        if isinstance(begun, dict) and isinstance(name := begun.get("event_id"), str):
            self._is_page_of(owner, name)

    def _is_page_of(self, owner: str, name: str) -> bool:
        first = self._pages.setdefault(name, owner)
        self._pages.move_to_end(name)
        if len(self._pages) > _REMEMBERED:
            self._pages.popitem(last=False)
        return first == owner


class _Learning:
    """Passes a short answer on, and tells ``learn`` what is in it before it goes out."""

    def __init__(self, learn: Callable[[Any], None], send: Send) -> None:
        self._learn, self._send = learn, send
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                self._learn(parsed(self._body))
        await self._send(message)


def _pages(scope: Scope, body: Any) -> Iterator[str]:
    """Every page the request names."""
    if found := _PAGE.match(scope["path"]):
        yield found.group(1)
    yield from parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", [])
    for field in ("session_hash", "event_id"):
        if isinstance(body, dict) and isinstance(name := body.get(field), str):
            yield name


def _files(body: Any) -> Iterator[str]:
    """Every path the posted values name as a file."""
    waiting = [body.get("data")] if isinstance(body, dict) else []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(path := value.get("path"), str) and path:
                yield path
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
