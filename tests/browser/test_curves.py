"""The curves under a training: zoomed, read, switched, smoothed, laid over another's, and taken away as files."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from benchmarks.servers import Server
from tests.browser.people import Person
from tests.browser.test_training import begin

CHART = "training-curves .curves-chart"


@pytest.fixture(scope="module")
def person(browser: Browser, studio: Server) -> Iterator[Person]:
    """Somebody with two finished trainings, the second of them open."""
    somebody = Person(browser, studio.url)
    somebody.context.set_default_timeout(60_000)
    begin(somebody, seconds=2)
    somebody.sees_state("training", "done")
    somebody.choose("training-recipe", "DCGAN (2015)")
    somebody("training-start").click()
    somebody.sees_state("training", "running")
    somebody.sees_state("training", "done")
    yield somebody
    somebody.leave()


def chart(person: Person, name: str) -> Locator:
    return person(f"training-curves [data-chart={name}]")


def drawn(canvas: Locator) -> str:
    """What a chart shows, without what lies over it."""
    picture: str = canvas.evaluate("canvas => canvas.toDataURL()")
    return picture


def drag(person: Person, canvas: Locator, first: float, last: float) -> None:
    """Marks out a range from one share of the chart's width to another."""
    box = canvas.bounding_box()
    assert box is not None
    person.page.mouse.move(box["x"] + first * box["width"], box["y"] + 40)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + last * box["width"], box["y"] + 40, steps=4)
    person.page.mouse.up()


def test_series_of_unlike_units_have_charts_of_their_own(person: Person) -> None:
    found = [one.get_attribute("data-chart") for one in person(CHART).all()]
    assert found[:3] == ["loss", "accuracy", "gradient"]
    assert set(found[3:]) <= {"frechet", "kernel", "classes", "diversity"}, "a slow machine measures nothing in 2 s"
    expect(chart(person, "loss").locator(".curves-key")).to_have_text(["Generator loss", "Discriminator loss"])


def test_a_range_is_zoomed_into_and_a_double_click_shows_all_again(person: Person) -> None:
    canvas, whole = chart(person, "loss").locator("canvas"), person("training-curves .curves-whole")
    before = drawn(canvas)
    expect(whole).to_be_hidden()
    drag(person, canvas, 0.4, 0.6)
    expect(whole).to_be_visible()
    person.page.mouse.move(0, 0)
    assert drawn(canvas) != before
    canvas.dblclick(position={"x": 200, "y": 40})
    expect(whole).to_be_hidden()
    person.page.mouse.move(0, 0)
    assert drawn(canvas) == before


def test_the_keyboard_reads_zooms_and_goes_back(person: Person) -> None:
    plots, whole = person("training-curves .curves-plots"), person("training-curves .curves-whole")
    plots.focus()
    plots.press("ArrowLeft")
    tip = person("training-curves .curves-tip")
    expect(tip).to_contain_text("Generator loss")
    plots.press("ArrowDown")
    expect(tip).to_contain_text("Real recognised")
    plots.press("+")
    expect(whole).to_be_visible()
    plots.press("0")
    expect(whole).to_be_hidden()
    plots.press("Escape")
    expect(tip).to_be_hidden()
    person.sees_state("training", "done")


def test_a_name_in_the_legend_switches_its_line_off_and_on(person: Person) -> None:
    key, canvas = chart(person, "gradient").locator(".curves-key").first, chart(person, "gradient").locator("canvas")
    before = drawn(canvas)
    key.click()
    expect(key).to_have_attribute("aria-pressed", "false")
    assert drawn(canvas) != before
    key.click()
    assert drawn(canvas) == before


def test_scale_axis_and_smoothing_change_what_is_drawn(person: Person) -> None:
    canvas = chart(person, "loss").locator("canvas")
    seen = {drawn(canvas)}
    for name in ("Log scale", "Steps"):
        button = person("training-curves").get_by_role("button", name=name, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        seen.add(drawn(canvas))
    for strength, words in (("0", "off"), ("30", "0.97")):
        person("training-curves .curves-smoothing input").fill(strength)
        expect(person("training-curves .curves-strength")).to_have_text(words)
        seen.add(drawn(canvas))
    assert len(seen) >= 4
    for name in ("Log scale", "Time"):
        person("training-curves").get_by_role("button", name=name, exact=True).click()


def test_curves_are_taken_away_as_a_table_a_picture_and_tensorboards_files(person: Person) -> None:
    menu = person("training-curves [data-menu=curves-export]")
    menu.locator("summary").click()
    name, data = person.download(menu.get_by_text("Table (CSV)"))
    assert re.fullmatch(r"mnist-dcgan-\d{8}-\d{4}\.csv", name)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    shown = int(re.sub(r"\D", "", person("training-step").inner_text()))
    assert [int(row["step"]) for row in rows] == list(range(1, shown + 1))
    name, data = person.download(menu.get_by_text("TensorBoard files"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert all("tfevents" in one for one in archive.namelist())
    name, data = person.download(menu.get_by_text("Picture (PNG)"))
    assert re.fullmatch(r"mnist-dcgan-\d{8}-\d{4}\.png", name)
    wide = person("training-curves .curves-plots").evaluate("one => one.clientWidth")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.width == 2 * (wide + 32)
        assert picture.height > 2 * 350


def test_an_earlier_training_is_laid_over_the_present_one(person: Person) -> None:
    canvas = chart(person, "loss").locator("canvas")
    before = drawn(canvas)
    person("training-curves [data-menu=curves-compare] summary").click()
    person("training-curves [data-menu=curves-compare]").get_by_text(re.compile(r"Digits \(MNIST\) · R1")).click()
    names = person("training-curves .curves-runs .curves-key")
    expect(names).to_have_count(2)
    expect(names.first).to_contain_text("This training · Digits (MNIST) · DCGAN")
    assert drawn(canvas) != before
    expect(chart(person, "penalty")).to_be_visible()
    person("training-curves [data-menu=curves-compare] summary").press("Escape")
    names.nth(1).click()
    expect(names.nth(1)).to_have_attribute("aria-pressed", "false")
