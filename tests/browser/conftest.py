"""Debian's chromium under Playwright, one running studio for all browser tests, and people who use it.

Everything ends with this package: while Playwright's loop lives, no other test could run a loop of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks.servers import Server
from tests.browser.people import Person
from tests.serving import served

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)
BROWSER_TIMEOUT = 20_000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        why = "no chromium on this machine (Debian: apt install chromium)"
        pytest.fail(f"{why}, and CI is set") if os.environ.get("CI") else pytest.skip(why)
    expect.set_options(timeout=BROWSER_TIMEOUT)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio with nothing made yet and a tiny picture model that the operator added."""
    with served(tmp_path_factory) as running:
        yield running


NewPerson = Callable[..., Person]


@pytest.fixture
def new_person(browser: Browser, studio: Server) -> Iterator[NewPerson]:
    """Makes people: ``new_person(locale="zh-CN")``. All of them leave at the end, and nothing may have gone wrong."""
    people: list[Person] = []

    def make(url: str = "", **options: Any) -> Person:
        person = Person(browser, url or studio.url, **options)
        person.context.set_default_timeout(BROWSER_TIMEOUT)
        people.append(person)
        return person

    yield make
    troubles = []
    for person in people:
        try:
            person.leave()
        except AssertionError as error:
            troubles.append(str(error))
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def person(new_person: NewPerson) -> Person:
    """Somebody who has never been here."""
    return new_person()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder named by STUDIO_SHOTS, else pytest's own."""
    named = os.environ.get("STUDIO_SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
