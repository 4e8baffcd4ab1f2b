"""How the entrance says no: a sentence in the person's language, as JSON, or as a page for whoever came with a browser.

Knows the sentences by key. Does not know why it is said.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from studio.locales import language_of, t


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, key: str, **values: object) -> None:
    """Answers with the sentence named ``refused.KEY`` and nothing else; a websocket is closed."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    said = t(f"refused.{key}", language_of(HTTPConnection(scope)), **values)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    headers |= {"Cache-Control": "no-store", "Connection": "close"} if status == 413 else {"Cache-Control": "no-store"}
    await JSONResponse({"detail": said, "key": key}, status, headers=headers)(scope, receive, send)
