"""Sends a made file to whoever asks for it: from this machine's disk, or piece by piece out of the shared storage.

Knows HTTP's ranges (RFC 9110, section 14) and who has the bytes. That the person may have the file was asked before.
What lies on the disk goes the way starlette sends files; of what lies in a storage one range at a time is sent, and a
request for several gets the whole, as the RFC allows. Nothing is ever in memory as a whole but what is small.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from mimetypes import guess_type
from urllib.parse import quote

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from pipelines.storage import StorageAway
from studio.locales import language_of, sentence
from studio.store.blobs import Blobs
from studio.store.shared_blobs import SharedBlobs
from studio.store.workspaces import Workspaces

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def file_response(
    request: Request,
    blobs: Blobs,
    digest: str,
    size: int,
    media_type: str,
    headers: Mapping[str, str],
    name: str = "",
    disposition: str = "inline",
) -> Response:
    """The blob ``digest`` of ``size`` bytes, called ``name``; the part that was asked for where one was.

    Raises ``HTTPException``: 404 where it is gone, 416 for a part it does not have, 503 where the storage is away.
    """
    if not isinstance(blobs, SharedBlobs):
        path, called = blobs.path(digest), name or None
        return FileResponse(
            path, media_type=media_type, filename=called, content_disposition_type=disposition, headers=headers
        )
    start, end = _asked(request, digest, size)
    try:
        content = blobs.content(digest, size, start, end)
    except FileNotFoundError:
        raise HTTPException(404, "this file is not there any more") from None
    except StorageAway as error:
        raise HTTPException(503, sentence(error, language_of(request))) from None
    part = (start, end) != (0, size)
    told = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
        "ETag": f'"{digest}"',
        **({"Content-Range": f"bytes {start}-{end - 1}/{size}"} if part else {}),
        **({"Content-Disposition": _named(name, disposition)} if name else {}),
        **headers,
    }
    return StreamingResponse(iter(content), 206 if part else 200, told, media_type)


def picture_response(
    request: Request, workspaces: Workspaces, job_id: str, name: str, headers: Mapping[str, str]
) -> Response:
    """A picture that a job drew on its way. Raises ``HTTPException`` as above."""
    path = workspaces.path(job_id, name)
    if path is not None:
        return FileResponse(path, headers=headers)
    try:
        data = workspaces.read(job_id, name)
    except FileNotFoundError:
        raise HTTPException(404, "this job has no such picture") from None
    except StorageAway as error:
        raise HTTPException(503, sentence(error, language_of(request))) from None
    return Response(data, media_type=guess_type(name)[0], headers=headers)


def _asked(request: Request, digest: str, size: int) -> tuple[int, int]:
    """The range that was asked for, from its first byte to before its last; the whole where none that counts was."""
    said = request.headers.get("range", "").replace(" ", "")
    found = _RANGE.fullmatch(said)
    if found is None or found[1] == found[2] == "" or request.headers.get("if-range", f'"{digest}"') != f'"{digest}"':
        return 0, size
    first, last = found[1], found[2]
    if not first:  # the last so many bytes
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if last and first and int(last) < int(first):
        return 0, size  # makes no sense, and is then as if it had not been said
    if start >= size or start >= end:
        raise HTTPException(416, f"there are {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def _named(name: str, disposition: str) -> str:
    quoted = quote(name)
    return f'{disposition}; filename="{name}"' if quoted == name else f"{disposition}; filename*=utf-8''{quoted}"
