"""The demonstration of a cluster: it opens, goes on when a part is killed, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deploy.demo import MARK, free_port
from deploy.proxy import COOKIE
from studio.settings import ROOT
from tests import postgres
from tests.studios import wait_for

pytest.importorskip("ray", reason="Ray is not installed")


def marked(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(data):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def named(data: Path, *words: str) -> psutil.Process:
    return next(one for one in marked(data) if all(word in " ".join(one.cmdline()) for word in words))


@pytest.mark.slow
@pytest.mark.skipif(postgres.programs() is None, reason="there is no PostgreSQL on this machine")
def test_the_demonstration_opens_goes_on_without_a_part_and_leaves_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:  # PostgreSQL's own user must reach it where we are root
        parent.chmod(0o755)
    data, port = tmp_path / "demo", free_port()
    command = [sys.executable, "-m", "deploy.demo", "--data", str(data), "--port", str(port)]
    log = (tmp_path / "said").open("wb")
    with log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as demo:
        try:
            said = lambda: (tmp_path / "said").read_text()  # noqa: E731
            wait_for(lambda: demo.poll() is not None or "opens at" in said(), 200)
            assert "opens at" in said(), said()
            url = f"http://127.0.0.1:{port}"

            def status(**options: Any) -> dict[str, Any]:
                answer = httpx.get(f"{url}/status", timeout=30, **options)
                answer.raise_for_status()
                found: dict[str, Any] = answer.json()
                return found

            wait_for(lambda: sum(one["worker"] == "ready" for one in status()["devices"]) == 2, 120)
            mine = httpx.get(f"{url}/healthz", cookies={COOKIE: "1"}).cookies[COOKIE]
            assert mine == "1"
            named(data, "app.py", f"{data}/web2").kill()
            wait_for(lambda: "web2 has ended" in said(), 20)
            assert httpx.get(f"{url}/healthz", cookies={COOKIE: "1"}).cookies[COOKIE] == "0", "sent to the other"
            named(data, "ray.scripts.scripts", "--num-gpus=1").kill()
            time.sleep(0.5)
            assert status()["devices"]
        finally:
            os.kill(demo.pid, signal.SIGINT)
            try:
                demo.wait(60)
            except subprocess.TimeoutExpired:
                demo.kill()
                raise
    assert marked(data) == []
    assert demo.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, timeout=5)
