"""Stickers in the Image tab, with a tiny sticker model that an operator added: random weights, everything else real."""

from __future__ import annotations

import io

from PIL import Image
from playwright.sync_api import expect

from pipelines.sticker.drawings import STYLES
from pipelines.sticker.packages import PACKAGES
from studio.library.recipe import extract
from tests.browser.conftest import NewPerson
from tests.browser.people import Person

PICTURE = "image-result .picture img"


def choose(person: Person, steps: int = 2) -> None:
    """The tiny model, and few steps."""
    person.open("image")
    person.choose("image-model", "tiny-stickers")
    expect(person("image-style [role=radio]").first).to_be_visible()
    person.more("image")
    person.number("image-steps", steps)


def test_four_stickers_are_made_with_transparency_and_carry_their_recipe(person: Person) -> None:
    choose(person)
    person.seed("image", 11)
    person("image-style [data-value=flat]").click()
    person("image-prompt textarea").fill("红色的苹果")
    person("image-make").click()
    person.sees_state("image", "done")
    expect(person(PICTURE)).to_have_count(4)
    expect(person(PICTURE).first).to_have_js_property("naturalWidth", 256)
    expect(person("image-result .reading")).to_have_text("Read as: red apple")
    person("image-result .picture").first.click()
    name, data = person.download(person("item-dialog a[download]"))
    assert name.endswith(".png")
    assert (Image.open(io.BytesIO(data)).mode, Image.open(io.BytesIO(data)).size) == ("RGBA", (256, 256))
    recipe = extract(data)
    assert recipe is not None
    settings = {"prompt": "红色的苹果", "style": "flat", "count": 4, "steps": 2, "guidance": 4.0}
    assert {**settings, "width": 256, "height": 256}.items() <= recipe["settings"].items()
    assert recipe["facts"]["english"] == "red apple"
    expect(person("item-dialog .recipe")).to_contain_text("Flat")
    person("item-again").click()
    expect(person("image-style [data-value=flat]")).to_have_attribute("aria-checked", "true")
    expect(person("image-count input[type=number]")).to_have_value("4")


def test_drawing_styles_are_offered_only_for_models_that_have_some(person: Person) -> None:
    person.open("image")
    person.choose("image-model", "tiny-sd")
    expect(person("image-width")).to_be_visible()
    expect(person("image-style")).to_be_hidden()
    expect(person("image-traits .widget p")).to_have_count(0)
    person.choose("image-model", "tiny-stickers")
    expect(person("image-style")).to_be_visible()
    expect(person("image-width")).to_be_hidden()
    expect(person("image-traits")).to_contain_text("Always 256 × 256 px, with a transparent background")
    offered = person("image-style [role=radio]").evaluate_all("all => all.map(one => one.dataset.value)")
    assert offered == ["", *STYLES]
    expect(person("image-result .example").first).to_have_text("A happy blue robot cat, glossy")


def test_whose_work_the_shipped_model_is_made_of_is_told_in_the_tab(person: Person) -> None:
    page = person.open("image")
    person.choose("image-model", "Stickers")
    person("image-credits > summary").click()
    named = person("image-credits li")
    expect(named).to_have_count(len(PACKAGES) + 1)
    for package in PACKAGES:
        line = named.filter(has=page.get_by_role("link", name=package.title, exact=True))
        expect(line).to_contain_text(f"{package.author} · {package.licence}")
        expect(line.get_by_role("link")).to_have_attribute("href", package.homepage)
    expect(named.last).to_contain_text("all-MiniLM-L6-v2")


def test_a_style_chosen_for_stickers_is_not_asked_of_another_model(person: Person) -> None:
    choose(person)
    person("image-style [data-value=noto]").click()
    person.choose("image-model", "tiny-sd")
    expect(person("image-style")).to_be_hidden()
    person.number("image-width", 64)
    person.number("image-height", 64)
    person.number("image-steps", 2)
    person.number("image-count", 1)
    person("image-prompt textarea").fill("a boat")
    person("image-make").click()
    person.sees_state("image", "done")
    expect(person(PICTURE)).to_have_js_property("naturalWidth", 64)


def test_a_click_on_an_example_makes_stickers_in_chinese_too(new_person: NewPerson) -> None:
    person = new_person(locale="zh-CN")
    choose(person)
    person("image-result .example").nth(1).click()
    person.sees_state("image", "done")
    expect(person("image-prompt textarea")).to_have_value("草莓蛋糕")
    expect(person("image-result .reading")).to_have_text("读作：strawberry cake")
    expect(person(PICTURE)).to_have_count(4)
