"""The Training tab: started, watched, paused, left alone, found again, kept, and drawn from."""

from __future__ import annotations

import re

import safetensors.numpy
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.people import Person

CURVES = "training-curves .curves-chart:first-of-type canvas"
#: how many pixels of the chart have been drawn on
INK = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  .data.filter((value, index) => index % 4 === 3 && value).length"""


def begin(person: Person, seconds: int = 600) -> None:
    """A training small enough for a test: tiny networks on the digits."""
    person.open("training")
    person("training-dataset [data-value=mnist]").click()
    person.number("training-seconds", seconds)
    person.more("training")
    person.number("training-width", 4)
    person.number("training-batch", 8)
    person.seed("training", 1)
    person("training-start").click()
    sees_learning(person)


def sees_learning(person: Person, beyond: int = 0) -> None:
    """Curves, samples and steps above ``beyond`` while it runs."""
    person.sees_state("training", "running")
    expect(person("training-samples img").first).to_be_visible(timeout=60_000)
    expect(person(CURVES)).to_be_visible()
    person.page.wait_for_function(
        "beyond => +document.getElementById('training-step').textContent.replace(/\\D/g, '') > beyond", arg=beyond
    )


def step_of(person: Person) -> int:
    return int(re.sub(r"\D", "", person("training-step").inner_text()))


def first_step_shown(person: Person) -> int:
    """What the pointer finds at the left end of the curves."""
    person(CURVES).hover(position={"x": 2, "y": 60})
    words = person("training-curves .tip-head").inner_text()
    return int(re.sub(r"\D", "", words.partition("·")[2]))


def stop(person: Person) -> None:
    person("training-stop").click()
    person.sees_state("training", "done", timeout=30_000)


def test_a_training_is_paused_goes_on_and_its_generator_is_kept_and_drawn_from(person: Person) -> None:
    begin(person)
    assert person(CURVES).evaluate(INK) > 1000
    expect(person("training-samples img")).to_have_js_property("complete", True)
    expect(person("training-rate")).to_have_text(re.compile(r"\d"))

    person("training-pause").click()
    person.sees_state("training", "paused", timeout=10_000)
    person.sees_idle_device(running=1)
    paused = step_of(person)
    person("training-resume").click()
    sees_learning(person, beyond=paused)

    stop(person)
    name, data = person.download(person("training-result .board-download a[download]"))
    assert name.endswith(".safetensors")
    assert sum(tensor.size for tensor in safetensors.numpy.load(data).values()) > 1000

    person.number("sample-count", 4)
    person("sample-make").click()
    person.sees_state("sample", "done")
    expect(person("sample-result .picture img").first).to_be_visible()
    person.sees_idle_device()


def settings_shown(person: Person) -> dict[str, str]:
    """What the folded settings of the recipe hold, by the ids of those that are seen."""
    shown = person("training-more-settings .recipe-settings [id^=training-]:visible")
    boxes: dict[str, str] = dict(
        shown.evaluate_all("boxes => boxes.map(box => [box.id, box.querySelector('input').value])")
    )
    return boxes


def test_the_form_shows_what_the_recipe_uses_and_keeps_what_was_typed(person: Person) -> None:
    person.open("training")
    person.choose("training-recipe", "WGAN-GP (2017)")
    expect(person("training-recipe")).to_contain_text("A critic measures")
    person.more("training")
    expect(person("training-gamma input")).to_have_value("10")
    expect(person("training-d-steps input")).to_have_value("2")
    assert "training-beta" not in settings_shown(person)
    person.number("training-batch", 8)
    person.choose("training-recipe", "VAE (variational autoencoder)")
    expect(person("training-beta")).to_be_visible()
    expect(person("training-latent input")).to_have_value("16")
    shown = settings_shown(person)
    assert (shown["training-latent"], shown["training-batch"]) == ("16", "8")
    assert not {"training-gamma", "training-d-steps"} & shown.keys()


def test_a_class_is_chosen_where_the_generator_knows_classes(person: Person) -> None:
    person.open("training")
    person("training-dataset [data-value=mnist]").click()
    person.choose("training-recipe", "VAE (variational autoencoder)")
    person("training-conditional input").check()
    person.number("training-seconds", 2)
    person("training-start").click()
    person.sees_state("training", "done")
    expect(person("training-samples .samples-foot figcaption")).to_contain_text("reconstruction")
    person.choose("sample-label", "7")
    person.number("sample-count", 4)
    person("sample-make").click()
    person.sees_state("sample", "done")
    expect(person("sample-result .picture img").first).to_be_visible()


def test_a_training_ends_by_itself_when_its_time_is_up(person: Person) -> None:
    begin(person, seconds=2)
    person.sees_state("training", "done")
    expect(person("training-result .board-download a[download]")).to_be_visible()


def test_a_reloaded_page_shows_the_curves_so_far_and_goes_on(person: Person) -> None:
    begin(person)
    before, first = step_of(person), first_step_shown(person)
    person.reload("training")
    sees_learning(person, beyond=before)
    assert first_step_shown(person) == first, "the curves begin where they began"
    stop(person)


def test_a_training_outlives_its_page_and_another_page_of_the_same_person_finds_it(person: Person) -> None:
    begin(person)
    before = step_of(person)
    page, person.page = person.page, person.context.new_page()
    page.close()
    person.open("training")
    sees_learning(person, beyond=before)
    stop(person)


def test_two_people_do_not_see_each_other(person: Person, new_person: NewPerson) -> None:
    begin(person)
    other = new_person()
    other.open("training")
    expect(other("strip-doing")).to_have_text("Working for someone else")
    expect(other("training-result .empty:not(.own-empty)")).to_be_visible()
    assert [sorted(job) for job in other.status()["running"]] == [["kind", "mine", "stage", "state"]]
    picture = person("training-samples img").get_attribute("src")
    assert person.context.request.get(f"{person.url}/{picture}").status == 200
    assert other.context.request.get(f"{person.url}/{picture}").status == 404
    stop(person)
    file = person("training-result .board-download a[download]").get_attribute("href")
    assert person.context.request.get(f"{person.url}/{file}").status == 200
    assert other.context.request.get(f"{person.url}/{file}").status == 404
    other.go("library")
    expect(other("library-grid .tile")).to_have_count(0)
    person.go("library")
    expect(person("library-grid [data-kind=training]").first).to_be_visible()


def test_two_recipes_learn_side_by_side_and_stop_together(person: Person) -> None:
    person.open("training")
    person("training-dataset [data-value=mnist]").click()
    person.choose("training-rival", "VAE (variational autoencoder)")
    person.more("training")
    person.number("training-width", 4)
    person.number("training-batch", 8)
    person("training-start").click()
    sees_learning(person)
    grids = person("training-samples .samples-frames img")
    expect(grids).to_have_count(2, timeout=60_000)
    expect(grids.last).to_be_visible(timeout=60_000)
    expect(person("training-samples .samples-frame-of[data-run] figcaption")).to_contain_text("VAE")
    expect(person("training-curves")).to_contain_text("Reconstruction", timeout=60_000)
    assert len(person.status()["running"]) == 2
    stop(person)
    person.sees_idle_device()


def test_a_run_in_the_library_is_seen_again_and_goes_on(person: Person) -> None:
    begin(person, seconds=3)
    person.sees_state("training", "done")
    person("training-reset").click()
    expect(person("training-result .empty").first).to_be_visible()
    person.go("library")
    person("library-grid [data-kind=training]").filter(has_not=person.page.locator("img")).first.click()
    person("item-dialog summary").click()
    person.page.get_by_role("menuitem", name="to see the run").click()
    expect(person(CURVES)).to_be_visible()
    expect(person("training-samples img").first).to_be_visible()
    before = step_of(person)
    person("steer-continue").click()
    person.page.wait_for_function(
        "before => +document.getElementById('training-step').textContent.replace(/\\D/g, '') > before", arg=before
    )
    person.sees_state("training", "done")
