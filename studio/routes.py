"""The routes beside the page: made files, a job's pictures, the status strip, static files.

Every file is looked up for the owner who asks; gradio's own file route is not per person, so nothing private goes
through it.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from pipelines.errors import StudioError
from studio.engine.job import Job
from studio.engine.status import EngineStatus, Running
from studio.library.library import Item
from studio.owners import owner_of
from studio.services import Studio
from studio.serving import METHODS, file_response, picture_response

_JOB_FILE = re.compile(r"^(preview|sample)-\d{1,12}\.(webp|png|jpg)$")
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_INLINE = ("image/png", "image/webp", "image/jpeg", "image/gif", "video/mp4", "text/plain")


def routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router = APIRouter()

    @router.api_route("/library/{item_id}/thumbnail", methods=METHODS)
    def thumbnail(item_id: str, request: Request) -> Response:
        item = _item(studio, request, item_id)
        found = studio.library.thumbnail(item.owner, item_id)
        if found is None:
            raise HTTPException(404, "this has no thumbnail")
        return file_response(request, studio.library.blobs, *found, "image/webp", _FOREVER)

    @router.api_route("/library/{item_id}/{name}", methods=METHODS)
    def made_file(item_id: str, name: str, request: Request, download: bool = False) -> Response:  # noqa: ARG001
        item = _item(studio, request, item_id)
        kind = "attachment" if download or item.media_type not in _INLINE else "inline"
        blobs = studio.library.blobs
        return file_response(request, blobs, item.digest, item.bytes, item.media_type, _FOREVER, item.name, kind)

    @router.api_route("/jobs/{job_id}/files/{name}", methods=METHODS)
    def job_file(job_id: str, name: str, request: Request) -> Response:
        job = _job(studio, request, job_id)
        if not _JOB_FILE.fullmatch(name):
            raise HTTPException(404, "this job has no such picture")
        return picture_response(request, studio.workspaces, job.id, name, _FOREVER)

    @router.get("/status")
    def status(request: Request) -> dict[str, Any]:
        return _status(studio, owner_of(request))

    return router


def _item(studio: Studio, request: Request, item_id: str) -> Item:
    try:
        return studio.library.get(owner_of(request), item_id)
    except StudioError as error:
        raise HTTPException(404, str(error)) from None


def _job(studio: Studio, request: Request, job_id: str) -> Job:
    try:
        return studio.jobs.get(owner_of(request), job_id)
    except StudioError as error:
        raise HTTPException(404, str(error)) from None


def _status(studio: Studio, owner: str) -> dict[str, Any]:
    """The engine's numbers for one person: his own jobs in full, of others only that they are there."""
    now = studio.jobs.status()
    holder = next((job for job in now.running if job.holds), None)
    return {
        "worker": now.worker,
        "notice": now.notice,
        "device": now.device,
        "device_kind": now.device_kind,
        "device_reason": now.device_reason,
        "memory_used": now.memory_used,
        "memory_total": now.memory_total,
        "resident": [{"model": model, "bytes": size} for model, size in now.resident],
        "doing": None if holder is None else _shown(holder, owner),
        "running": [_shown(job, owner) for job in now.running],
        "queued": now.queued,
        "devices": [one.shown() for one in now.devices],
        "mine": _waiting(studio, now, owner),
    }


def _shown(job: Running, owner: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": job.kind, "mine": job.owner == owner, "state": job.state, "stage": job.stage}
    if job.owner == owner:
        shown |= {
            "job_id": job.job_id,
            "done": job.done,
            "total": job.total,
            "unit": job.unit,
            "seconds_left": job.seconds_left,
        }
    return shown


def _waiting(studio: Studio, now: EngineStatus, owner: str) -> list[dict[str, Any]]:
    """This person's queued jobs with their places."""
    if not now.queued:
        return []
    waiting = []
    for job in studio.jobs.list(owner, states=("queued",)):
        place = studio.jobs.place(owner, job.id)
        if place is not None:
            waiting.append(
                {"job_id": job.id, "kind": job.kind, "position": place.position, "seconds": place.ahead_seconds}
            )
    return waiting
