"""A tiny hub on 127.0.0.1 for tests: answers the three questions huggingface_hub asks, from a dict of files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """``files``: path -> bytes, of one repository ``repo``; ``asked``: every request.

    ``gated``: files are refused. ``stall_after``: a larger file stops there until ``go_on`` is set.
    """

    def __init__(self, repo: str, files: Mapping[str, bytes]) -> None:
        self.repo = repo
        self.files = dict(files)
        self.gated = False
        self.stall_after: int | None = None
        self.go_on = threading.Event()
        self.promised: dict[str, str] = {}
        self.asked: list[str] = []
        self.endpoint = ""

    def sha256(self, path: str) -> str:
        return self.promised.get(path) or hashlib.sha256(self.files[path]).hexdigest()

    def _lfs(self, path: str, name: str) -> dict[str, Any]:
        return {name: self.sha256(path), "size": len(self.files[path]), "pointerSize": 130}

    def model(self) -> dict[str, Any]:
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": "0" * 40}
            | ({"lfs": self._lfs(path, "sha256")} if path.endswith(".safetensors") else {})
            for path, data in self.files.items()
        ]
        return {"id": self.repo, "sha": COMMIT, "private": False, "siblings": siblings, "tags": [], "downloads": 0}

    def tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": path, "size": len(data), "oid": self.sha256(path)[:40]}
            | ({"lfs": self._lfs(path, "oid")} if path.endswith(".safetensors") else {})
            for path, data in self.files.items()
        ]


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            if path.startswith(f"/api/models/{hub.repo}/tree/"):
                return self._json(hub.tree())
            if path.startswith(f"/api/models/{hub.repo}"):
                return self._json(hub.model())
            prefix = f"/{hub.repo}/resolve/{COMMIT}/"
            if path.startswith(prefix) and path.removeprefix(prefix) in hub.files:
                return self._file(path.removeprefix(prefix), body)
            return self._refuse(404, "RepoNotFound")

        def _json(self, values: object) -> None:
            data = json.dumps(values).encode()
            self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(data))})
            self.wfile.write(data)

        def _file(self, path: str, body: bool) -> None:
            if hub.gated:
                return self._refuse(403, "GatedRepo")
            data = hub.files[path]
            span = self.headers.get("Range", "")
            start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
            etag = hub.sha256(path) if path.endswith(".safetensors") else hub.sha256(path)[:40]
            rest = data[start:]
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(rest))}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._head(206 if start else 200, headers)
            if body and hub.stall_after is not None and len(rest) > hub.stall_after:
                self.wfile.write(rest[: hub.stall_after])
                self.wfile.flush()
                hub.go_on.wait(10)
                self.close_connection = True
            elif body:
                self.wfile.write(rest)
            return None

        def _refuse(self, code: int, word: str) -> None:
            self._head(code, {"X-Error-Code": word, "Content-Length": "0"})

        def _head(self, code: int, headers: Mapping[str, str]) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub answers at ``hub.endpoint`` while the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
