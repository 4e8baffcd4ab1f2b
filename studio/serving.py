"""Sends a made file to whoever asks for it, piece by piece: from this machine's disk or out of the shared storage.

Knows HTTP's conditions and ranges (RFC 9110, sections 13 and 14) and who has the bytes. That the person may have the
file was asked before. A file is named by its sha256, which is its tag: what a browser has it need not be sent again.
One range at a time is sent, and a request for several gets the whole, as the RFC allows. Nothing is ever in memory as
a whole but what is small.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from mimetypes import guess_type
from urllib.parse import quote

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipelines.storage import StorageAway
from studio.locales import language_of, sentence
from studio.store.blobs import Blobs
from studio.store.workspaces import Workspaces

#: how a file may be asked for: HEAD is for whoever wants to know its size or whether it is another by now
METHODS = ["GET", "HEAD"]
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
    told = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{digest}"',
        **({"Content-Disposition": _named(name, disposition)} if name else {}),
        **headers,
    }
    if _has_it(request, digest):
        return Response(status_code=304, headers=told)
    sends = request.method == "GET"  # ranges are GET's alone
    start, end = _asked(request, digest, size) if sends else (0, size)
    part = (start, end) != (0, size)
    told |= {
        "Content-Length": str(end - start),
        **({"Content-Range": f"bytes {start}-{end - 1}/{size}"} if part else {}),
    }
    with _sentences(request, "this file is not there any more"):
        content = blobs.content(digest, size, start, end if sends else start)
    if not sends:
        content.close()
        return Response(headers=told, media_type=media_type)
    return _Sending(iter(content), 206 if part else 200, told, media_type)


def picture_response(
    request: Request, workspaces: Workspaces, job_id: str, name: str, headers: Mapping[str, str]
) -> Response:
    """A picture that a job drew on its way. Raises ``HTTPException`` as above."""
    with _sentences(request, "this job has no such picture"):
        data = workspaces.read(job_id, name)
    return Response(data, media_type=guess_type(name)[0], headers=headers)


class _Sending(StreamingResponse):
    """Closes what it sends as soon as nobody wants more of it, not when the collector comes by."""

    def __init__(self, pieces: Generator[bytes], status: int, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(pieces, status, headers, media_type)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pieces.close()


@contextmanager
def _sentences(request: Request, gone: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise HTTPException(404, gone) from None
    except StorageAway as error:
        raise HTTPException(503, sentence(error, language_of(request))) from None


def _has_it(request: Request, digest: str) -> bool:
    """Whether whoever asks has the file already, and only wants it if it is another by now."""
    tags = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return f'"{digest}"' in tags or tags == ["*"]


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
