"""How large a request may be: refused by what it says before it is read, or at the byte too many.

Knows lengths only; how large a picture may become is for whoever decodes it.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.entrance.answers import refuse

#: where files come in
UPLOADS = ("/gradio_api/upload", "/shelf/explain")
MB = 1 << 20
#: of everything but uploads: a long conversation with its settings is a few hundred kB
MOST_WORDS_MB = 4


class BodyLimit:
    """ASGI middleware. ``upload_mb``: the largest file; a little is added for the form around it."""

    def __init__(self, app: ASGIApp, upload_mb: int) -> None:
        self._app = app
        self._upload_mb = upload_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_mb = self._upload_mb if scope["path"].rstrip("/") in UPLOADS else MOST_WORDS_MB
        limit = limit_mb * MB + (MB if limit_mb == self._upload_mb else 0)
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            await refuse(scope, receive, send, 413, "request.large", limit=limit_mb)
            return
        counting = _Counting(receive, send, limit)
        try:
            await self._app(scope, counting.receive, counting.send)
        except ClientDisconnect:  # what it was told
            if not counting.over:
                raise
        if counting.over and not counting.answered:
            await refuse(scope, receive, send, 413, "request.large", limit=limit_mb)


class _Counting:
    """Counts what comes in; past the limit the application is told that the client has gone, and is heard no more."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._left = receive, send, limit
        self.over = False
        self.answered = False

    async def receive(self) -> Message:
        if self.over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        self.over = self._left < 0
        return {"type": "http.disconnect"} if self.over else message

    async def send(self, message: Message) -> None:
        if self.over and not self.answered:
            return
        self.answered = True
        await self._send(message)
