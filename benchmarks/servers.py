"""Starts a studio as a person would, for benchmarks and tests, and waits for its first page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Server:
    """A running studio. ``first_page_s``: from process start to the first page's last byte."""

    url: str
    process: subprocess.Popen[bytes]
    first_page_s: float

    def wait_ready(self, seconds: float = 120) -> None:
        """Until the worker has found its device."""
        end = time.monotonic() + seconds
        while httpx.get(f"{self.url}/healthz", timeout=30).json()["worker"] != "ready":
            if time.monotonic() > end:
                raise TimeoutError(f"no worker within {seconds} s")
            time.sleep(0.1)


@contextmanager
def server(data: Path, *options: str, log: Path | None = None, port: int = 0) -> Iterator[Server]:
    """``python app.py`` on ``port`` (0: any free one); ended with Ctrl+C's signal, as a person would."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    command = [sys.executable, "app.py", "--port", str(port), "--data", str(data), *options]
    began = time.perf_counter()
    with (log or Path(os.devnull)).open("ab") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        _first_page(url, process)
        yield Server(url, process, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first_page(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            httpx.get(url, headers={"accept": "text/html"}, timeout=60, follow_redirects=True).raise_for_status()
            return
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.02)
