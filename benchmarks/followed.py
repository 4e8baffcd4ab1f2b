"""Steps per second of a training in the studio that is followed, beside the same loop bare.

The first follower is a real browser on the Training tab; further ones read all events over the API, as a page does
without drawing them, since ten browsers would measure themselves. Training and bare loop take turns of some seconds on
the same cores: while the loop runs bare in this process the studio's training is paused, so whatever else the machine
does falls on both alike.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.servers import server
from pipelines.requests import TrainingRequest
from pipelines.training.loop import Loop
from studio.owners import COOKIE

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Studio:
    """A running studio as one person's script sees it; without asyncio, whose loop playwright occupies here."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def close(self) -> None:
        """Lets the connections go."""
        self._client.close()

    def stream(self, name: str, *values: Any) -> Iterator[Any]:
        """Every answer of an endpoint with one output, as it comes."""
        asked = self._client.post(f"/gradio_api/call/{name}", json={"data": list(values)}).raise_for_status()
        with self._client.stream("GET", f"/gradio_api/call/{name}/{asked.json()['event_id']}") as answer:
            for line in answer.iter_lines():
                if line.startswith("event: error"):
                    raise RuntimeError(f"{name} failed")
                if line.startswith("data: ") and line != "data: null":
                    yield json.loads(line[6:])[0]

    def call(self, name: str, *values: Any) -> Any:
        """The last answer."""
        return list(self.stream(name, *values))[-1]

    def steps(self, job_id: str, after: int) -> tuple[int, float, int]:
        """Steps and wall seconds from the first reading above ``after`` to the pause, and the pause's number."""
        readings, last = [], after
        for event in self.stream("follow_job", job_id, after):
            last = event["seq"]
            if event["kind"] == "metrics":
                readings.append((event["data"]["steps"][-1], event["at"]))
            if event["data"].get("state") == "paused":
                break
        return readings[-1][0] - readings[0][0], readings[-1][1] - readings[0][1], last


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's chromium, without a screen."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("followed_over_bare opens the page in chromium, and there is none on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


def open_training(page: Page, url: str) -> str:
    """Opens the Training tab; returns the token of the page's owner."""
    page.goto(url)
    page.locator("#page-training-button").click()
    return next(str(cookie["value"]) for cookie in page.context.cookies() if cookie["name"] == COOKIE)


def advance(loop: Loop, seconds: float) -> tuple[int, float]:
    """Steps and wall seconds of the loop alone."""
    began, first = time.perf_counter(), loop.step
    while time.perf_counter() - began < seconds:
        loop.advance()
        if loop.must_read:
            loop.read()
    loop.read()
    return loop.step - first, time.perf_counter() - began


def follow(url: str, token: str, job_id: str) -> None:
    """Reads every event of the job until it ends, or the studio does."""
    with suppress(httpx.HTTPError):
        for _ in Studio(url, token).stream("follow_job", job_id, 0):
            pass


def followed_and_bare(
    request: TrainingRequest, seconds: float, threads: int, loop: Loop, rounds: int = 4, followers: int = 1
) -> tuple[float, float]:
    """(followed, bare) steps per wall second, ``seconds`` each in ``rounds`` turns."""
    followed, bare = [0, 0.0], [0, 0.0]
    options = ("--threads", str(threads))
    with tempfile.TemporaryDirectory() as data, server(Path(data), *options) as running, browser() as chrome:
        running.wait_ready()
        page = chrome.new_page(viewport={"width": 1440, "height": 900})
        token = open_training(page, running.url)
        studio = Studio(running.url, token)
        asked = request.model_dump(exclude_unset=True, exclude={"recipe", "dataset"})
        settings = asked | {"seconds": 0, "steps": 1_000_000}
        job_id = studio.call("start_training", request.recipe, request.dataset, json.dumps(settings))
        page.reload()  # a page finds what its owner has running when it opens
        page.locator("#page-training-button").click()
        for _ in range(followers - 1):
            threading.Thread(target=follow, args=(running.url, token, job_id), daemon=True).start()
        time.sleep(8)
        studio.call("pause_job", job_id)
        *_, last = studio.steps(job_id, 0)
        advance(loop, 2)
        for _ in range(rounds):
            studio.call("resume_job", job_id)
            time.sleep(seconds / rounds)
            studio.call("pause_job", job_id)
            steps, took, last = studio.steps(job_id, last)
            followed = [followed[0] + steps, followed[1] + took]
            steps, took = advance(loop, seconds / rounds)
            bare = [bare[0] + steps, bare[1] + took]
        studio.call("cancel_job", job_id)
    return followed[0] / followed[1], bare[0] / bare[1]
