"""The routes of the Library: looking through it, marking many things at once, a zip of them, a thing's family.

The page fetches from here and the API's endpoints say the same (``studio.desk`` does the work for both). Everything is
looked up for the owner who asks.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from pipelines.errors import StudioError
from pipelines.pictures import open_picture
from studio.desk import Desk, told
from studio.library.bundle import bundle
from studio.library.explain import explain
from studio.library.made import THUMBNAIL
from studio.locales import language_of, sentence
from studio.owners import owner_of
from studio.services import Studio

_KEPT = {"Cache-Control": "private, max-age=86400"}
_FRESH = {"Cache-Control": "no-store"}


def shelf_routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router, desk = APIRouter(), Desk(studio)

    @router.get("/shelf/items")
    def items(request: Request) -> Response:
        return _answer(request, lambda owner: desk.page(owner, _asked(request)))

    @router.get("/shelf/item/{item_id}")
    def item(item_id: str, request: Request) -> Response:
        return _answer(request, lambda owner: {"item": desk.one(owner, item_id), "facets": desk.facets(owner)})

    @router.get("/shelf/ids")
    def ids(request: Request) -> Response:
        return _answer(request, lambda owner: {"ids": desk.ids(owner, _asked(request))})

    @router.get("/shelf/facets")
    def facets(request: Request) -> Response:
        return _answer(request, desk.facets)

    @router.get("/shelf/lineage/{item_id}")
    def lineage(item_id: str, request: Request) -> Response:
        return _answer(request, lambda owner: studio.lineage.tree(owner, item_id).json())

    @router.post("/shelf/act")
    async def act(request: Request) -> Response:
        message = await _message(request)
        return await asyncio.to_thread(_answer, request, lambda owner: desk.act(owner, message))

    @router.post("/shelf/download")
    async def download(request: Request) -> Response:
        form = await request.form()
        wanted = [one for one in str(form.get("items", "")).split(",") if one]
        try:
            chosen = await run_in_threadpool(desk.owned, owner_of(request), wanted)
        except StudioError as error:
            return _refused(request, error)
        name = f"atelier-{time.strftime('%Y%m%d-%H%M')}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', **_FRESH}
        return StreamingResponse(bundle(chosen, studio.library.blobs), media_type="application/zip", headers=headers)

    @router.post("/shelf/explain")
    async def explained(request: Request, cut: bool = False) -> Response:
        data = await request.body()
        return await asyncio.to_thread(
            _answer, request, lambda _: told(explain(data, studio.credentials, cut), language_of(request))
        )

    @router.get("/shelf/given/{digest}/thumbnail")
    def given(digest: str, request: Request) -> Response:
        try:
            studio.lineage.given(owner_of(request), digest)
            data = _small(studio.library.blobs.read(digest))
        except (StudioError, FileNotFoundError, ValueError):
            raise HTTPException(404, "there is no such picture of yours") from None
        return Response(data, media_type="image/webp", headers=_KEPT)

    return router


def _small(data: bytes) -> bytes:
    """A thumbnail of an uploaded picture. Raises ``StudioError`` where it is none."""
    small = open_picture(data)
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=80)
    return out.getvalue()


def _asked(request: Request) -> dict[str, Any]:
    """A search as it stands in an address; ``after`` is JSON."""
    values: dict[str, Any] = dict(request.query_params)
    values |= {name: values.get(name) in ("1", "true") for name in ("starred", "meaning")}
    if "after" in values:
        try:
            values["after"] = json.loads(values["after"])
        except json.JSONDecodeError:
            values["after"] = [values["after"]]  # refused as what it is
    return values


async def _message(request: Request) -> Mapping[str, Any]:
    try:
        found = json.loads(await request.body())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _answer(request: Request, make: Any) -> Response:
    try:
        return JSONResponse(make(owner_of(request)), headers=_FRESH)
    except StudioError as error:
        return _refused(request, error)


def _refused(request: Request, error: StudioError) -> Response:
    """404 for what is not there, whoever else has it; 400 for what makes no sense."""
    status = 404 if error.key.endswith(".unknown") else 400
    return JSONResponse({"error": sentence(error, language_of(request))}, status, headers=_FRESH)
