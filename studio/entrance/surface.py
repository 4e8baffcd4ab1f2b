"""Which of gradio's addresses are part of this studio. The others, made for spaces and for development, are not there.

Knows gradio's routes by method and shape, as its page, its client and MCP use them. What is not named here is closed: a
recorder that hands videos to ffmpeg, links that copy a page's state where all uploads lie, a dashboard, a proxy, an
editor of the program itself.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from studio.entrance.answers import refuse

_READ = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(static|assets|svelte)/.+"
    r"|/gradio_api/(info/?|openapi\.json|app_id/?|login_check/?|user/?|startup-events|theme\.css"
    r"|queue/(status|data)|heartbeat/[^/]+|upload_progress|file[=/].+|call/(v2/)?[^/]+/[^/]+|mcp(/(schema)?)?)",
    re.DOTALL,
)
_POST = re.compile(
    r"/gradio_api/(queue/join|call/(v2/)?[^/]+/?|(run|api)/[^/]+/?|upload|cancel|reset/?|mcp/?)", re.DOTALL
)
_DELETE = re.compile(r"/gradio_api/mcp/?")
_OPEN = {"GET": _READ, "HEAD": _READ, "POST": _POST, "DELETE": _DELETE}
#: bytes of a name that a disk takes
_LONGEST_NAME = 255


class Surface:
    """ASGI middleware around gradio's application and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and _is_open(scope)):
            await self._app(scope, receive, send)
        else:
            await refuse(scope, receive, send, 404, "request.nowhere")


def _is_open(scope: Scope) -> bool:
    path, open_here = scope["path"], _OPEN.get(scope["method"])
    return open_here is not None and open_here.fullmatch(path) is not None and _is_name(path) and _is_one_page(scope)


def _is_name(path: str) -> bool:
    """Whether a disk can be asked for it."""
    return path.isprintable() and all(len(part.encode("utf-8", "replace")) <= _LONGEST_NAME for part in path.split("/"))


def _is_one_page(scope: Scope) -> bool:
    """gradio looks a page up by its name without asking whether there is one; ours has none."""
    return not any(parse_qs(scope.get("query_string", b"").decode("latin-1")).get("page", []))
