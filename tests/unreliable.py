"""Ways to a server that break off, begin late or refuse: what networks and object stores do to a studio."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BreakingOff:
    """Passes on to ``port``; each connection ends after ``most`` bytes of answers. ``broken``: how many did."""

    def __init__(self, port: int, most: int, at: int = 0) -> None:
        self._to, self._most = port, most
        self.broken = 0
        self._listening = socket.create_server(("127.0.0.1", at))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                asking, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(asking,)).start()

    def _pass_on(self, asking: socket.socket) -> None:
        with asking, socket.create_connection(("127.0.0.1", self._to)) as server:
            there = threading.Thread(target=_copy, args=(asking, server, 1 << 40))
            there.start()
            self.broken += _copy(server, asking, self._most)
            for end in (asking, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            there.join()


def _copy(source: socket.socket, target: socket.socket, most: int) -> bool:
    """Whether there was more than ``most``."""
    with suppress(OSError):
        while most > 0 and (piece := source.recv(min(most, 1 << 16))):
            target.sendall(piece)
            most -= len(piece)
    return most <= 0


@contextmanager
def breaking_off(port: int, most: int, at: int = 0) -> Iterator[BreakingOff]:
    """``at``: its own port; 0 for a free one."""
    way = BreakingOff(port, most, at)
    try:
        yield way
    finally:
        way.close()


@contextmanager
def refusing(status: int, code: str) -> Iterator[str]:
    """The endpoint of a store that says no to everything, as S3 does: with a status and a code in XML."""

    class Refusing(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nobody wants to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
