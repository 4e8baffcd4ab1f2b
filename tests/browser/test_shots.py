"""Screenshots of every tab to look at, and the one the README shows. They go to the folder named by STUDIO_SHOTS.

What is asserted is little: that each was taken of a page at rest. Looking at them is for people.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.people import TABS, Person

WIDTHS = (1440, 900, 400)
HEIGHTS = {1440: 900, 900: 1000, 400: 860}
LOCALES = {"en": "en-GB", "zh": "zh-CN"}


def photograph(person: Person, folder: Path, name: str, widths: tuple[int, ...] = WIDTHS) -> None:
    """The tab that is open, in each width, light and dark. The window is as it was afterwards."""
    for scheme in ("light", "dark"):
        person.page.evaluate("dark => { if (atelierScheme.dark() !== dark) atelierScheme.toggle(); }", scheme == "dark")
        for width in widths:
            person.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            if width == 400:  # the whole page, with the strip where it belongs
                high = person.page.evaluate("document.documentElement.scrollHeight")
                person.page.set_viewport_size({"width": width, "height": min(high, 3000)})
            path = folder / f"{name}-{scheme}-{width}.jpg"
            person.page.screenshot(path=path, type="jpeg", quality=80, animations="disabled")
            assert path.stat().st_size > 5000, "an empty window"
    person.page.set_viewport_size({"width": 1440, "height": 900})


def photograph_tabs(person: Person, folder: Path, name: str) -> None:
    for tab in TABS:
        person.go(tab)
        photograph(person, folder, f"{tab}-{name}")


@pytest.mark.parametrize("language", LOCALES)
def test_every_tab_empty_and_with_something_made(new_person: NewPerson, shots: Path, language: str) -> None:
    person = new_person(locale=LOCALES[language])
    person.open("text")
    photograph_tabs(person, shots, f"empty-{language}")
    make_everything(person)
    photograph_tabs(person, shots, f"done-{language}")
    person("library-grid .card").first.click()
    photograph(person, shots, f"dialog-{language}")


def make_everything(person: Person) -> None:
    """One of each kind, small, and a refusal in the Image tab."""
    person.go("text")
    person.number("text-max-new-tokens", 60)
    person("text-example-1").click()
    person.sees_state("text", "done")
    person.go("image")
    person("image-make").click()
    person.sees_state("image", "failed")
    person.go("style")
    person("style-example-0").click()
    person.sees_state("style", "done")
    person.go("training")
    person.number("training-seconds", 3)
    person("training-start").click()
    person.sees_state("training", "done")
    person("sample-make").click()
    person.sees_state("sample", "done")


def test_the_readmes_screenshot_shows_garments_after_half_a_minute(person: Person, shots: Path) -> None:
    person.open("training")
    person("training-start").click()
    due = re.compile(r"^0:(2[5-9]|[3-5]\d) / 1:00")
    expect(person("training-elapsed")).to_have_text(due, timeout=240_000)
    person.sees_state("training", "running", timeout=1000)
    path = shots / "training.png"  # in 256 colours, which is small and looks the same
    shot = Image.open(io.BytesIO(person.page.screenshot(animations="disabled")))
    shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    assert shot.size == (1440, 900)
    assert path.stat().st_size < 300_000, "small enough for the README"
    photograph(person, shots, "training-running-en")
    person("training-stop").click()
    person.sees_state("training", "done", timeout=30_000)
