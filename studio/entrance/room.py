"""Whether there is room for a file, asked before it is read: who has no room is told so instead of waiting for it.

ASGI middleware. Knows gradio's way of uploading and what a request says of its length; what a person may keep is for
the studio to say, which asks again when the file is to be kept.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.errors import StudioError
from studio.locales import language_of, sentence
from studio.owners import owner_of
from studio.services import Studio

#: where what comes in is kept
UPLOAD = "/gradio_api/upload"


class Room:
    """Stands where it is known whose request it is."""

    def __init__(self, app: ASGIApp, studio: Studio) -> None:
        self._app = app
        self._studio = studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != UPLOAD:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        size = int(request.headers.get("content-length", "0"))  # BodyLimit has seen to it that this is a number
        try:
            await run_in_threadpool(self._studio.check_room, owner_of(request), size)
        except StudioError as error:
            said = {"detail": sentence(error, language_of(request)), "key": error.key}
            await JSONResponse(said, 413, headers={"Cache-Control": "no-store", "Connection": "close"})(
                scope, receive, send
            )
            return
        await self._app(scope, receive, send)
