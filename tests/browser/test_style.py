"""The Style tab: our photos and one's own, in a built-in style or that of a picture, beside the original."""

from __future__ import annotations

import io
import re
from typing import Any

from PIL import Image
from playwright.sync_api import expect

from studio.library.recipe import extract
from tests.browser.people import Person
from tests.browser.test_own import newest_job

COMPARE = "style-result .compare"


def photo(width: int = 96, height: int = 64, colour: str = "teal") -> dict[str, Any]:
    """A PNG to upload."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "png", comment=colour)
    return {"name": f"{colour}.png", "mimeType": "image/png", "buffer": file.getvalue()}


def test_one_click_paints_one_of_our_photos_and_the_slider_moves_by_mouse_and_keys(person: Person) -> None:
    person.open("style")
    person("style-example-0").click()
    person.sees_state("style", "done")
    frame = person(COMPARE)
    expect(frame.locator(".compare-after")).to_have_js_property("complete", True)
    slider = frame.locator("input")
    expect(slider).to_have_value("50")
    box = frame.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    person.page.mouse.move(box["x"] + box["width"] / 2, middle)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + box["width"] / 4, middle, steps=4)
    person.page.mouse.up()
    expect(slider).to_have_value("25")
    expect(frame).to_have_attribute("style", re.compile(r"--split: ?25"))
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    expect(slider).to_have_value("27")
    expect(frame).to_have_attribute("style", re.compile(r"--split: ?27"))


def test_a_photo_of_ones_own_is_painted_at_its_own_size(person: Person) -> None:
    person.open("style")
    person.upload("style-photo", photo())
    expect(person("style-photo-drop .drop img")).to_be_visible()
    person("style-style [role=radio]").nth(3).click()
    person("style-make").click()
    person.sees_state("style", "done")
    expect(person(COMPARE)).to_have_attribute("data-width", "96")
    _, data = person.download(person("style-result a[download]"))
    assert Image.open(io.BytesIO(data)).size == (96, 64)
    person.sees_idle_device()


def test_a_photo_is_painted_in_the_style_of_a_picture(person: Person) -> None:
    person.open("style")
    person.upload("style-photo", photo())
    expect(person("style-photo-drop .drop img")).to_be_visible()
    person.pick("style-source", "From a picture")
    person.upload("style-picture", photo(64, 64, "amber"))
    expect(person("style-picture-drop .drop img")).to_be_visible()
    person("style-make").click()
    person.sees_state("style", "done")
    expect(person(COMPARE)).to_be_visible()
    person("style-picture-drop .drop-example").nth(1).click()
    expect(person("style-picture-drop .drop img")).to_be_visible()
    person("style-make").click()
    expect(person("style-film .card")).to_have_count(2, timeout=60_000)
    person.sees_state("style", "done")


def test_a_file_that_is_no_picture_is_refused_in_a_sentence_and_the_photo_before_it_stays(person: Person) -> None:
    person.open("style")
    person.upload("style-photo", photo())
    expect(person("style-photo-drop .drop img")).to_be_visible()
    person.number("style-strength", 0.4)
    notes = {"name": "notes.png", "mimeType": "image/png", "buffer": b"only words"}
    person.upload("style-photo", notes)
    expect(person("style-photo-drop .drop-error")).to_have_text(re.compile(r"picture|image"))
    person.sees_toast(re.compile(r"picture|image"))
    expect(person("style-photo-drop .drop img")).to_be_visible()
    expect(person("style-strength input[type=number]")).to_have_value("0.4")
    person("style-make").click()
    person.sees_state("style", "done")
    expect(person(COMPARE)).to_have_attribute("data-width", "96")


def test_only_what_is_brushed_is_painted_by_mouse_or_by_keys_and_a_stroke_can_be_undone(person: Person) -> None:
    person.open("style")
    person.upload("style-photo", photo())
    expect(person("style-photo-drop .drop img")).to_be_visible()
    person("style-more-settings > button").click()
    canvas, hint = person("style-brush .brush-canvas"), person("style-brush .brush-hint").first
    expect(hint).to_be_visible()
    expect(person("style-brush .brush-colours")).to_be_hidden()
    person("style-blend-add").click()
    person("style-parts .blend-how select").select_option("1")
    expect(person("style-brush .brush-colours")).to_be_visible()
    person("style-brush .brush-colour").nth(1).click()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    person.page.mouse.move(box["x"] + 20, box["y"] + 20)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + 60, box["y"] + 30, steps=3)
    person.page.mouse.up()
    expect(hint).to_be_hidden()
    person("style-brush-undo").click()
    expect(hint).to_be_visible()
    person("style-brush-soft").fill("80")
    person("style-parts .blend-how select").select_option("0")
    expect(person("style-brush .brush-colours")).to_be_hidden()
    canvas.focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
        canvas.press(key)
    expect(hint).to_be_hidden()
    person("style-make").click()
    person.sees_state("style", "done")
    _, data = person.download(person("style-result a[download]"))
    recipe = extract(data)
    assert recipe is not None
    assert len(recipe["settings"]["mask"]) == 64
    made, was = (Image.open(io.BytesIO(one)).convert("RGB") for one in (data, photo()["buffer"]))
    assert made.getpixel((4, 4)) == was.getpixel((4, 4))
    assert made.getpixel((50, 32)) != was.getpixel((50, 32))


def test_a_painting_ends_with_the_page_where_its_box_is_ticked(person: Person) -> None:
    person.open("style")
    person("style-more-settings > button").click()
    person("style-ends-with-page input").check()
    person("style-example-0").click()
    person.sees_state("style", "done")
    assert newest_job(person)["ends_with_page"]
