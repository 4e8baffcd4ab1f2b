"""A person at the page: a browser of their own (cookie, language), and everything that went wrong in it.

Knows Playwright and the page's element ids; knows nothing of the server behind it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

KINDS = ("text", "image", "style", "training")
TABS = (*KINDS, "library")
#: a first run loads a model, and a test machine may be busy with other things
SLOW = 120_000
LEAVING = re.compile(r"AbortError: signal is aborted|Connection errored out")


class Person:
    """One browser context with one page or more. ``troubles`` must be empty in the end."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        settings: dict[str, Any] = {"locale": "en-GB", "viewport": {"width": 1440, "height": 900}} | options
        self.url = url
        self.troubles: list[str] = []
        self.expected: list[re.Pattern[str]] = []
        self.context = browser.new_context(reduced_motion="reduce", **settings)
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.troubles.append(f"page error: {error.error}"))
        self.context.on("request", self._asked)
        self.page = self.context.new_page()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        host = urlsplit(request.url)
        if host.scheme in ("http", "https", "ws", "wss") and host.netloc != urlsplit(self.url).netloc:
            self.troubles.append(f"request to another host: {request.url}")

    def expect_trouble(self, pattern: str) -> None:
        """A test that takes the studio away expects the browser to say so."""
        self.expected.append(re.compile(pattern))

    def leave(self) -> None:
        """Closes everything; fails if anything went wrong that the test did not ask for."""
        self.context.close()
        unexpected = [trouble for trouble in self.troubles if not any(one.search(trouble) for one in self.expected)]
        assert not unexpected, "\n".join(unexpected)

    # ------------------------------------------------------------------------------- around the page

    def open(self, tab: str = "text") -> Page:
        """The page with ``tab`` in front, once its scripts have drawn it."""
        self.page.goto(self.url)
        expect(self("strip-doing")).not_to_be_empty()
        return self.go(tab)

    def go(self, tab: str) -> Page:
        self(f"page-{tab}-button").click()
        bench = "library-grid .widget > *" if tab == "library" else f"{tab}-result .stage-body > *"
        expect(self(bench).first).to_be_visible()
        return self.page

    def reload(self, tab: str) -> Page:
        """A fresh page. What gradio says of its own streams while the old page goes is not held against us."""
        before = len(self.troubles)
        self.page.reload()
        self.troubles[before:] = [one for one in self.troubles[before:] if not LEAVING.search(one)]
        expect(self("strip-doing")).not_to_be_empty()
        return self.go(tab)

    def __call__(self, element_id: str) -> Locator:
        """The element with this id, or what lies below it: ``person("text-result .turn")``."""
        return self.page.locator(f"#{element_id}")

    def number(self, element_id: str, value: float) -> None:
        """Types a number into a number box or a slider's, and leaves it, which is when it counts."""
        box = self(f"{element_id} input[type=number]")
        box.fill(str(value))
        box.press("Tab")

    def choose(self, element_id: str, title: str) -> None:
        """One entry of a menu."""
        self(f"{element_id} input").click()
        self.page.get_by_role("option", name=title, exact=True).click()

    def pick(self, element_id: str, title: str) -> None:
        """One of a few choices that lie side by side."""
        self(element_id).get_by_role("radio", name=title, exact=True).check()

    def more(self, kind: str) -> None:
        """Unfolds the settings that are folded at first."""
        self(f"{kind}-more-settings > button").click()
        expect(self(f"{kind}-seed-fresh")).to_be_visible()

    def seed(self, kind: str, seed: int) -> None:
        """A seed of our own in place of a fresh one; the settings must be unfolded."""
        self(f"{kind}-seed-fresh input").uncheck()
        self.number(f"{kind}-seed", seed)

    def upload(self, element_id: str, file: Path | dict[str, Any]) -> None:
        self(f"{element_id} input[type=file]").set_input_files(file)  # type: ignore[arg-type]

    # --------------------------------------------------------------------------- what must be seen

    def sees_state(self, kind: str, state: str, timeout: float = SLOW) -> None:
        expect(self(f"{kind}-bench")).to_have_attribute("data-state", state, timeout=timeout)

    def sees_toast(self, words: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_test_id("toast-text").filter(has_text=words).first).to_be_visible()

    def sees_idle_device(self, running: int = 0) -> None:
        """The studio says that it works on nothing; ``running`` jobs of ours may be paused."""
        expect(self("strip-doing")).to_have_text("Idle", timeout=30_000)
        assert len(self.status()["running"]) == running

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.context.request.get(f"{self.url}/status").json()
        return answer

    def download(self, link: Locator) -> tuple[str, bytes]:
        """What a download link gives: its file name and its bytes."""
        with self.page.expect_download() as started:
            link.click()
        return started.value.suggested_filename, Path(started.value.path()).read_bytes()
