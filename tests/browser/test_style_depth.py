"""The Style tab's further ways: mixed styles and colours, the sheet, optimisation kept early, films, no camera."""

from __future__ import annotations

import io
import re
from typing import Any

from PIL import Image, ImageChops
from playwright.sync_api import expect

from studio.library.recipe import extract
from tests.browser.people import Person
from tests.browser.test_style import COMPARE, photo


def begun(person: Person, file: dict[str, Any]) -> None:
    """The tab with a photo in it and its settings unfolded."""
    person.open("style")
    person.upload("style-photo", file)
    expect(person("style-photo-drop .drop img")).to_be_visible()
    person("style-more-settings > button").click()


def settings(person: Person) -> dict[str, Any]:
    """What the painting on the stage says it was made with."""
    _, data = person.download(person("style-result a[download]"))
    recipe = extract(data)
    assert recipe is not None
    found: dict[str, Any] = recipe["settings"]
    return found


def moving() -> dict[str, Any]:
    """A GIF of three frames."""
    picture = Image.linear_gradient("L").resize((48, 32))
    frames = [ImageChops.offset(picture, 0, 10 * number) for number in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=80)
    return {"name": "moving.gif", "mimeType": "image/gif", "buffer": out.getvalue()}


def test_two_styles_are_mixed_in_colours_matched_to_the_photo(person: Person) -> None:
    begun(person, photo())
    person("style-blend-add").click()
    person("style-parts .blend-style").select_option(index=7)
    person.choose("style-colors", "Matched")
    person("style-make").click()
    person.sees_state("style", "done")
    made = settings(person)
    assert (len(made["parts"]), made["colors"], made["pixels"]) == (1, "matched", "quick")
    expect(person("style-scored")).to_be_visible()


def test_a_large_photo_is_quick_and_what_every_pixel_costs_is_told_before(person: Person) -> None:
    begun(person, photo(1500, 1000))
    person.pick("style-source", "From a picture")
    person.upload("style-picture", photo(64, 64, "amber"))
    told = person("style-reckoned .reckoned")
    expect(told).to_contain_text("memory", timeout=60_000)
    quick = told.text_content()
    person.choose("style-pixels", "Every pixel")
    expect(told).not_to_have_text(quick or "")


def test_a_style_is_chosen_from_the_sheet_of_all(person: Person) -> None:
    begun(person, photo(48, 32))
    person("style-sheet").click()
    person.sees_state("style", "done")
    person("style-result .sheet-style").nth(4).click()
    expect(person(COMPARE)).to_be_visible(timeout=60_000)
    person.sees_state("style", "done")
    expect(person("style-style [role=radio]").nth(4)).to_have_attribute("aria-checked", "true")


def test_an_optimisation_is_stopped_early_and_the_best_is_kept(person: Person) -> None:
    begun(person, photo())
    person.pick("style-source", "Finest")
    person.number("style-edge", 128)
    person.number("style-steps", 1000)
    person("style-make").click()
    person("style-keep").click()
    person.sees_state("style", "done")
    expect(person(COMPARE)).to_have_attribute("data-width", "96")
    assert settings(person)["engine"] == "finest"


def test_a_gif_is_painted_frame_by_frame(person: Person) -> None:
    begun(person, moving())
    person("style-make").click()
    person.sees_state("style", "done")
    expect(person("style-result img.shown")).to_be_visible()
    _, data = person.download(person("style-result a[download]"))
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 3


def test_without_a_camera_a_sentence_says_so(person: Person) -> None:
    person.open("style")
    person("style-webcam").click()
    expect(person("style-webcam")).to_contain_text(re.compile("No camera could be used"))
