"""The Image tab, with a tiny diffusers pipeline that an operator added: random weights, everything else as in life."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import expect

from studio.library.recipe import extract
from tests.browser.people import Person

PICTURE = "image-result .picture img"


def settle(person: Person, steps: int = 2) -> None:
    """The tiny model, a small size and few steps."""
    person.open("image")
    person.choose("image-model", "tiny-sd")
    person.number("image-width", 64)
    person.number("image-height", 64)
    person.more("image")
    person.number("image-steps", steps)


def test_a_picture_is_made_and_carries_its_recipe(person: Person) -> None:
    settle(person)
    person.seed("image", 11)
    person("image-prompt textarea").fill("a lighthouse at dusk")
    person("image-make").click()
    person.sees_state("image", "done")
    expect(person(PICTURE)).to_have_js_property("naturalWidth", 64)
    name, data = person.download(person("image-result a[download]"))
    assert name.endswith(".png")
    assert Image.open(io.BytesIO(data)).size == (64, 64)
    recipe = extract(data)
    assert recipe is not None
    assert (recipe["model"], recipe["seed"], recipe["settings"]["prompt"]) == ("tiny-sd", 11, "a lighthouse at dusk")
    expect(person("image-film .card")).to_have_count(1)


def test_what_was_typed_while_the_settings_of_a_model_were_on_their_way_stays(person: Person) -> None:
    page = person.open("image")
    person.more("image")
    expect(person("image-steps input[type=number]")).to_have_value("24")
    line = {"offline": False, "latency": 700, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", line)
    person.choose("image-model", "tiny-sd")
    person.number("image-steps", 3)
    expect(person("image-count input[type=number]")).to_have_value("1")  # it was 4 for stickers
    expect(person("image-steps input[type=number]")).to_have_value("3")


def test_several_pictures_open_large_and_the_arrow_keys_walk_through_them(person: Person) -> None:
    settle(person)
    person.number("image-count", 3)
    person("image-prompt textarea").fill("three boats")
    person("image-make").click()
    person.sees_state("image", "done")
    expect(person(PICTURE)).to_have_count(3)
    person("image-result .picture").first.press("Enter")
    shown = person("item-dialog .dialog-thing img")
    first = shown.get_attribute("src")
    assert first is not None
    person.page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_attribute("src", first)
    person.page.keyboard.press("ArrowLeft")
    expect(shown).to_have_attribute("src", first)
    person.page.keyboard.press("Escape")
    expect(person("item-dialog")).to_be_hidden()


def test_of_several_pictures_the_one_under_way_may_be_the_last(person: Person) -> None:
    settle(person, steps=60)
    expect(person("image-after")).to_be_hidden()
    person.number("image-count", 8)
    person("image-prompt textarea").fill("eight boats")
    person("image-make").click()
    person("image-after").click(timeout=60_000)
    person.sees_state("image", "done")
    assert 1 <= person(PICTURE).count() < 8
    expect(person("image-after")).to_be_hidden()


def test_a_preview_is_seen_and_stop_ends_it_and_frees_the_device(person: Person) -> None:
    settle(person, steps=150)
    person.number("image-count", 8)
    person.number("image-width", 256)
    person.number("image-height", 256)
    person("image-prompt textarea").fill("a slow picture")
    person("image-make").click()
    expect(person("image-result .preview img")).to_be_visible(timeout=60_000)
    expect(person("image-result .preview figcaption")).to_have_text(re.compile(r"Step \d+ of \d+"))
    person("image-stop").click()
    person.sees_state("image", "cancelled", timeout=10_000)
    expect(person("image-result .notice")).to_have_text("Stopped; nothing was kept.")
    expect(person("image-prompt textarea")).to_have_value("a slow picture")
    person.sees_idle_device()


def test_what_is_there_of_a_picture_can_be_kept(person: Person) -> None:
    settle(person, steps=150)
    person.number("image-width", 256)
    person.number("image-height", 256)
    person("image-prompt textarea").fill("a slow picture")
    person("image-make").click()
    person("image-keep").click(timeout=60_000)
    person.sees_state("image", "done")
    _, data = person.download(person("image-result a[download]"))
    recipe = extract(data)
    assert recipe is not None
    assert re.fullmatch(r"after \d+ of 15\d steps", recipe["facts"]["ended_early"])
    person.sees_idle_device()


def test_a_part_is_painted_over_and_the_mask_is_in_the_recipe(person: Person) -> None:
    settle(person)
    source = Path(__file__).resolve().parents[2] / "assets" / "examples" / "cat.jpg"
    person("image-method label").filter(has_text="Paint in").click()
    person("image-source input[type=file]").set_input_files(source)
    canvas = person("image-mask .brush-canvas")
    expect(canvas).to_be_visible()
    expect(person("image-mask .brush-hint")).to_be_visible()
    frame = canvas.bounding_box()
    assert frame is not None
    person.page.mouse.move(frame["x"] + 30, frame["y"] + 30)
    person.page.mouse.down()
    person.page.mouse.move(frame["x"] + 90, frame["y"] + 60, steps=4)
    person.page.mouse.up()
    expect(person("image-mask .brush-hint")).to_be_hidden()
    person("image-prompt textarea").fill("a hat")
    person("image-make").click()
    person.sees_state("image", "done")
    _, data = person.download(person("image-result a[download]"))
    recipe = extract(data)
    assert recipe is not None
    assert recipe["settings"]["method"] == "paint"
    assert len(recipe["settings"]["mask"]) == 64
    made, was = Image.open(io.BytesIO(data)).convert("RGB"), Image.open(source).convert("RGB")
    assert made.width / made.height == pytest.approx(was.width / was.height, rel=0.2)


def test_a_grid_over_steps_is_labelled_and_one_of_it_is_varied(person: Person) -> None:
    settle(person)
    person("image-prompt textarea").fill("a cat")
    person("image-fold-many > button").click()
    person.choose("image-x-field", "Steps")
    person("image-x-values textarea, #image-x-values input").first.fill("1, 2")
    person("image-make").click()
    person.sees_state("image", "done")
    expect(person("image-result .picture")).to_have_count(3)
    person("image-result .picture").first.click()
    person("item-dialog .menu summary").click()
    person("item-dialog").get_by_role("menuitem", name="Begin a picture from it").first.click()
    expect(person("image-source-drop .drop img")).to_be_visible()
    expect(person("image-method input[value=picture]")).to_be_checked()
    person.choose("image-x-field", "No grid")
    person("image-make").click()
    expect(person("image-result .picture")).to_have_count(1, timeout=60_000)
    person.sees_state("image", "done")
    _, data = person.download(person("image-result a[download]"))
    recipe = extract(data)
    assert recipe is not None
    assert recipe["settings"]["method"] == "picture"
    assert len(recipe["settings"]["source"]) == 64


def test_a_dropped_picture_fills_the_controls_with_its_recipe(person: Person, tmp_path: Path) -> None:
    person.open("image")
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a red boat\nSteps: 9, Sampler: Euler, CFG scale: 3, Seed: 42, Size: 64x64")
    Image.new("RGB", (8, 8)).save(tmp_path / "boat.png", pnginfo=info)
    person("image-fold-help > button").click()
    person("image-recipe input[type=file]").set_input_files(tmp_path / "boat.png")
    expect(person("image-prompt textarea")).to_have_value("a red boat")
