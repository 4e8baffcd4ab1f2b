"""A hundred open pages, a quarter of them writing: errors, how evenly text comes, and what the web process keeps.

Ninety-seven pages are ``visitors``, which open, ask and read what the page does without drawing it; three are real, in
chromium, one of which writes. A gap is the time between two changes of the text as a page sees them; what the model
makes are the gaps between the same job's pieces as the engine wrote them down. Memory is the web process's resident
set, from when all pages have been open for a while to the end.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
from playwright.sync_api import Error, Page

from benchmarks.crowd import data_with, p95
from benchmarks.followed import browser
from benchmarks.servers import Server, server
from benchmarks.streams import PROMPTS, quick_model, text_model
from benchmarks.visitors import Layout, Visitor

PAGES, WRITERS, REAL = 100, 25, 3
#: of a text, of the default model; a new one begins when it has ended
TOKENS = 100
#: share of the time, or seconds, after which the memory is first looked at
SETTLED, SETTLED_AT_MOST = 0.2, 120.0


def pages(data: Path, threads: int, minutes: float, quick: bool = False) -> dict[str, float]:
    """``pages_errors``, ``gap_p95_ms`` (over what the model makes) and ``web_growth`` (0.05: five per cent more).

    ``quick``: with a tiny model of random weights instead, so that every text comes as quickly as a page takes it.
    """
    model, tokens = (quick_model(data), 2000) if quick else (text_model(data), TOKENS)
    with tempfile.TemporaryDirectory(prefix="atelier-sharing-") as place:
        folder = data_with(Path(place), data)
        with server(folder, "--threads", str(threads), "--running", str(WRITERS + 7)) as running:
            running.wait_ready()
            found = _Open(running, minutes * 60, model, tokens)
            with found.real_pages():
                asyncio.run(found.opened())
        return found.figures(folder / "studio.db")


class _Open:
    """All pages of one run and what they saw."""

    def __init__(self, running: Server, seconds: float, model: str, tokens: int) -> None:
        self.running, self.seconds, self.model, self.tokens = running, seconds, model, tokens
        self.errors: list[str] = []
        self.seen: dict[str, list[float]] = defaultdict(list)  # job: when its text changed
        self.texts = 0
        self.memory: list[tuple[float, int]] = []
        self.began = self.until = time.time()

    async def opened(self) -> None:
        """Opens the pages, lets them write and be, and closes them."""
        layout = await Layout.of(self.running.url)
        visitors = [Visitor(self.running.url, layout, self.errors) for _ in range(PAGES - REAL)]
        for start in range(0, len(visitors), 5):  # people come one after the other
            await asyncio.gather(*(one.__aenter__() for one in visitors[start : start + 5]))
        self.began = time.time()
        self.until = self.began + self.seconds
        writers = visitors[: WRITERS - 1]
        await asyncio.gather(self._watch_memory(), *(self._writes(n, one) for n, one in enumerate(writers)))
        self.answers = sum(one.answers for one in visitors)
        for one in visitors:
            await one.__aexit__()

    async def _watch_memory(self) -> None:
        process = psutil.Process(self.running.process.pid)
        while time.time() < self.until:
            self.memory.append((time.time(), process.memory_info().rss))
            await asyncio.sleep(1)

    async def _writes(self, number: int, visitor: Visitor) -> None:
        while time.time() < self.until:
            try:
                await self._write(PROMPTS[number % len(PROMPTS)], visitor)
            except httpx.HTTPError as error:
                self.errors.append(f"a stream broke: {error!r}")

    async def _write(self, prompt: str, visitor: Visitor) -> None:
        """One text, and what the page asks for once it is there."""
        layout, button = visitor.layout, visitor.layout.click("text-make")
        given = {
            layout.component("text-mode"): "continue",
            layout.component("text-prompt"): prompt,
            layout.component("text-max-new-tokens"): self.tokens,
            layout.component("text-model"): self.model,
        }
        shown: dict[str, Any] = {}
        async for (change,) in visitor.streamed(button, given=given):
            if _changes_text(shown, change) and time.time() < self.until:
                self.seen[shown["job"]].append(time.time())
        self.texts += 1
        if shown.get("state") != "done":
            self.errors.append(f"a text ended as {shown.get('state')}: {shown.get('error')}")
        for follower in layout.after(button):
            await visitor.run(follower)

    # ------------------------------------------------------------------------------------ in chromium

    def real_pages(self) -> _Real:
        return _Real(self.running.url, self.errors)

    # ------------------------------------------------------------------------------------ what was seen

    def figures(self, database: Path) -> dict[str, float]:
        """All figures; the first errors are printed."""
        for error in self.errors[:10]:
            print(f"error: {error}")
        page, model = self._gaps(self.seen), self._gaps(self._made(database))
        settled = self.began + min(SETTLED * self.seconds, SETTLED_AT_MOST)
        early = statistics.median([rss for at, rss in self.memory if settled <= at <= settled + 20])
        late = statistics.median([rss for _, rss in self.memory[-20:]])
        print(
            f"{self.texts} texts, {self.answers} answers to the strip; gaps p95 {p95(page) * 1000:.0f} ms on the page, "
            f"{p95(model) * 1000:.0f} ms by the model; web process {early / 1e6:.0f} MB, then {late / 1e6:.0f} MB",
            flush=True,
        )
        return {
            "pages_errors": len(self.errors),
            "gap_p95_ms": round((p95(page) - p95(model)) * 1000, 1),
            "gap_of_the_model_p95_ms": round(p95(model) * 1000, 1),
            "web_growth": round(late / early - 1, 4),
            "pages_minutes": round(self.seconds / 60, 2),
        }

    def _made(self, database: Path) -> dict[str, list[float]]:
        """When each piece of the same texts was made, by job."""
        found: dict[str, list[float]] = defaultdict(list)
        rows = sqlite3.connect(database).execute("SELECT job_id, at FROM events WHERE kind = 'token' ORDER BY seq")
        for job, at in rows:
            if job in self.seen and at < self.until:
                found[job].append(at)
        return found

    @staticmethod
    def _gaps(moments: dict[str, list[float]]) -> list[float]:
        return [later - sooner for each in moments.values() for sooner, later in pairwise(each)]


def _changes_text(shown: dict[str, Any], change: Any) -> bool:
    """Takes the first look, or what has changed since; whether the text has."""
    if isinstance(change, dict):
        shown |= change
        return bool(change.get("text"))
    for _, path, value in change:
        if path in (["state"], ["error"]):
            shown[path[0]] = value
    return any(path == ["text"] for _, path, _ in change)


class _Real(threading.Thread):
    """Real pages, until the block ends: one writes, one looks at the Training tab, one does nothing."""

    def __init__(self, url: str, errors: list[str]) -> None:
        super().__init__(name="chromium", daemon=True)
        self._url, self._errors = url, errors
        self._ready, self._over = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        self.start()
        if not self._ready.wait(120):
            raise TimeoutError("no page in chromium within 120 s")

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(60)

    def run(self) -> None:
        try:
            self._be_open()
        except Error as error:
            self._errors.append(f"chromium failed: {error}")

    def _be_open(self) -> None:
        with browser() as chrome:
            shown = [chrome.new_context().new_page() for _ in range(REAL)]
            for page in shown:
                self._opens(page)
            shown[1].locator("#page-training-button").click()
            self._ready.set()
            while not self._over.is_set():
                self._write(shown[0])

    def _opens(self, page: Page) -> None:
        page.on("pageerror", lambda error: self._errors.append(f"a script failed: {error}"))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("requestfailed", lambda asked: self._miss(asked.url, asked.failure or ""))
        page.goto(self._url)
        page.locator("#text-make").wait_for()

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error":
            self._errors.append(f"the console says: {text}")

    def _miss(self, url: str, why: str) -> None:
        if why != "net::ERR_ABORTED":  # the page closes a stream that has ended
            self._errors.append(f"a request failed ({why}): {url}")

    def _write(self, page: Page) -> None:
        """One text, to its end or that of the block."""
        page.locator("#text-prompt textarea").fill(PROMPTS[0])
        page.locator("#text-make").click()
        page.wait_for_timeout(2000)
        working: Callable[[], bool] = page.locator("#text-stop").is_visible
        while working() and not self._over.is_set():
            page.wait_for_timeout(500)
