"""What somebody shared: a small page with the thing itself, and its file. Nobody needs to be signed in for it.

Knows a link's words and what they lead to. Whatever is wrong with a link, the answer is the same.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from studio.accounts.roles import account_of
from studio.entrance.pages import page
from studio.library.library import Item
from studio.services import Studio
from studio.serving import METHODS, file_response

_SHOWN = ("image/png", "image/webp", "image/jpeg")
_HEADERS = {"X-Robots-Tag": "noindex", "Cache-Control": "private, no-store"}
_MOST_TEXT = 400_000


def shared_routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router = APIRouter()
    root = studio.settings.root_path.rstrip("/")

    @router.get("/shared/{secret}")
    def shown(request: Request, secret: str) -> Response:
        item = _item(studio, secret)
        if item is None:
            return page(request, root, "shared", 404, item=None, address="", text="", picture=False)
        answer = page(
            request,
            root,
            "shared",
            item=item,
            address=f"{root}/shared/{secret}/file",
            text=_text(studio, item),
            picture=item.media_type in _SHOWN,
        )
        answer.headers.update(_HEADERS)
        return answer

    @router.api_route("/shared/{secret}/file", methods=METHODS)
    def file(request: Request, secret: str, download: bool = False) -> Response:
        item = _item(studio, secret)
        if item is None:
            return page(request, root, "shared", 404, item=None, address="", text="", picture=False)
        kind = "attachment" if download or item.media_type not in _SHOWN else "inline"
        blobs = studio.library.blobs
        return file_response(request, blobs, item.digest, item.bytes, item.media_type, _HEADERS, item.name, kind)

    return router


def _item(studio: Studio, secret: str) -> Item | None:
    """What a link leads to, as long as its maker's account is open."""
    item = studio.shares.item(secret)
    number = None if item is None else account_of(item.owner)
    return item if number is not None and studio.accounts.person(number) is not None else None


def _text(studio: Studio, item: Item) -> str:
    if not item.media_type.startswith("text/"):
        return ""
    with studio.library.blobs.open(item.digest) as file:
        return file.read(_MOST_TEXT).decode("utf-8", errors="replace")
