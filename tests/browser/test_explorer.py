"""The explorer at the foot of the Training tab: into a training that runs, across the map, and onwards from there."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.people import Person

#: how different the pixels of the large picture are from black
LIGHT = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  .data.filter((value, index) => index % 4 < 3).reduce((sum, value) => sum + value, 0)"""


def begin(person: Person) -> None:
    person.open("training")
    person("training-dataset [data-value=mnist]").click()
    person.more("training")
    person.number("training-width", 4)
    person.number("training-batch", 8)
    person("training-start").click()
    person.sees_state("training", "running")


def test_a_running_training_is_explored_and_morphs_and_neighbours_come_from_the_map(person: Person) -> None:
    begin(person)
    expect(person("explore-generator input")).to_have_value("The training that runs now", timeout=60_000)
    person("explore-make").click()
    person.sees_state("explore", "done")
    large = person("explore-result .explore-large")
    expect(person("explore-result .explore-sheet")).to_have_js_property("complete", True)
    person.page.wait_for_function(f"({LIGHT})(document.querySelector('.explore-large')) > 0")
    before = large.evaluate(LIGHT)

    area = person("explore-result .explore-area")
    area.click(position={"x": 20, "y": 20})
    expect(person("explore-result .explore-figure figcaption")).to_have_text(re.compile(r"Place [-−]"))
    assert large.evaluate(LIGHT) != before
    area.press("ArrowRight")

    person("explore-near").click()
    expect(person("explore-result .explore-found")).to_contain_text("as far as real neighbours")
    person("explore-morph").click()
    expect(person("explore-result .explore-hint")).to_contain_text("where the morph shall end")
    area.click(position={"x": 150, "y": 150})
    expect(person("explore-result .explore-morph img")).to_be_visible()
    person("training-stop").click()
    person.sees_state("training", "done", timeout=30_000)


def test_the_samples_play_and_are_taken_away_as_a_film(person: Person) -> None:
    begin(person)
    expect(person("training-play")).to_be_visible(timeout=60_000)
    name, data = person.download(person("training-samples [data-film=mp4]"))
    assert name.endswith(".mp4")
    assert b"ftyp" in data[:12]
    scrub = person("training-samples .samples-scrub")
    scrub.fill("0")
    person("training-play").click()
    expect(scrub).not_to_have_value("0")
    person("training-stop").click()
    person.sees_state("training", "done", timeout=30_000)
