"""Training on a person's own pictures: a zip is dropped, looked at, learned from, found again, and drawn with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.people import SLOW, Person
from tests.browser.test_training import sees_learning, stop
from tests.own import drawn, own_zip

CHIP = "image-weights .chip"


def dropped(person: Person, folder: Path, data: bytes) -> None:
    """The choice of one's own pictures, with a zip given."""
    path = folder / "My dogs.zip"
    path.write_bytes(data)
    person("training-dataset [data-value=own]").click()
    person.upload("own-file", path)


def begin(person: Person, folder: Path, seconds: int = 600) -> None:
    person.open("training")
    dropped(person, folder, own_zip(24))
    expect(person("own-preview")).to_be_visible()
    person("own-more-settings > button").click()
    person.choose("own-model", "tiny-stickers")
    person.number("own-seconds", seconds)
    person.number("own-batch", 4)
    person("training-start").click()
    sees_learning(person)


def test_what_the_model_will_see_is_shown_before_it_learns(person: Person, tmp_path: Path) -> None:
    person.open("training")
    expect(person("own-drop")).to_be_hidden()
    expect(person("training-recipe")).to_be_visible()
    person("training-dataset [data-value=own]").click()
    expect(person("training-result .own-empty")).to_be_visible()
    expect(person("training-recipe")).to_be_hidden()
    dropped(person, tmp_path, own_zip(40, **{"7.png": drawn(), "一只狗.png": drawn(), "drawing.svg": "<svg/>"}))
    expect(person("own-preview h2")).to_have_text("What the model will see of My dogs")
    expect(person("own-preview > p")).to_contain_text("41 pictures with captions")
    expect(person("own-preview .own-tile")).to_have_count(32)
    expect(person("own-preview .own-tile figcaption").first).to_have_text("sad dog")
    expect(person("own-preview .own-tile img").first).to_have_js_property("naturalWidth", 64)
    expect(person("own-preview .notice")).to_contain_text("Without a caption, and left out: 1 (7.png).")
    expect(person("own-preview .notice")).to_contain_text("(drawing.svg)")
    expect(person("own-drop .drop-file")).to_contain_text("41 pictures with captions")
    person("training-dataset [data-value=mnist]").click()
    expect(person("own-preview")).to_be_hidden()
    expect(person("training-example-0")).to_be_visible()


def test_a_folder_is_as_good_as_a_zip_and_its_own_folders_say_what_they_show(person: Person, tmp_path: Path) -> None:
    folder = tmp_path / "Pets"
    for number in range(24):
        place = folder / ("sad dog" if number % 2 else "green frog") / f"{number:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(drawn())
    (folder / ".hidden").write_bytes(b"nothing to do with it")
    person.open("training")
    person("training-dataset [data-value=own]").click()
    person("own-drop input[webkitdirectory]").set_input_files(folder)
    expect(person("own-preview h2")).to_have_text("What the model will see of Pets")
    expect(person("own-preview > p")).to_contain_text("24 pictures with captions")
    expect(person("own-preview .own-tile figcaption").filter(has_text="sad dog")).to_have_count(12)
    expect(person("own-preview .notice")).to_have_count(0)
    person("own-drop input[multiple]:not([webkitdirectory])").set_input_files(sorted((folder / "sad dog").iterdir()))
    expect(person("own-drop .drop-error")).to_contain_text("at least 20 are needed")


def test_a_zip_that_cannot_be_used_says_why_and_start_asks_for_one(person: Person, tmp_path: Path) -> None:
    person.open("training")
    dropped(person, tmp_path, own_zip(3))
    expect(person("own-drop .drop-error")).to_have_text(
        re.compile("The zip holds 3 pictures .* at least 20 are needed")
    )
    person("training-start").click()
    person.sees_toast(re.compile("There are no pictures yet"))
    person.sees_state("training", "failed")


def test_own_pictures_are_learned_from_found_again_and_drawn_with(
    person: Person, new_person: NewPerson, tmp_path: Path
) -> None:
    begin(person, tmp_path)
    expect(person("training-samples .samples-captions li")).to_have_count(16)
    expect(person("training-samples .samples-captions li").first).to_have_text("sad dog")
    expect(person("training-samples .samples-foot figcaption")).to_contain_text("Drawn after your captions")
    person("training-pause").click()
    person.sees_state("training", "paused", timeout=10_000)
    person("training-resume").click()
    sees_learning(person)

    person.reload("training")
    sees_learning(person)
    expect(person("training-dataset [data-value=own]")).to_have_attribute("aria-checked", "true")
    expect(person("own-drop .drop-file")).to_contain_text("My dogs")
    stop(person)

    person("training-result .board-download").get_by_role("button", name="Draw with it").click()
    expect(person(CHIP)).to_contain_text("Drawn with My dogs")
    person.more("image")
    person.number("image-steps", 2)
    person("image-prompt textarea").fill("a sad dog")
    person("image-make").click()
    person.sees_state("image", "done")
    expect(person("image-result .picture img").first).to_have_js_property("naturalWidth", 256)
    person("image-result .picture").first.click()
    expect(person("item-dialog .recipe")).to_contain_text("Trained on")
    person("item-close").click()
    person("image-weights-away").click()
    expect(person(CHIP)).to_have_count(0)

    person.go("library")
    person("library-grid [data-kind=sticker_training]").last.click()
    person("item-dialog").get_by_role("button", name="Draw with it").click()
    expect(person(CHIP)).to_contain_text("Drawn with My dogs")
    person.choose("image-model", "tiny-sd")
    expect(person(CHIP)).to_be_hidden()

    other = new_person()
    other.open("library")
    expect(other("library-grid .tile")).to_have_count(0, timeout=SLOW)


def newest_job(person: Person) -> dict[str, Any]:
    """As the API tells this person of it."""
    body = {"method": "POST", "headers": {"content-type": "application/json"}, "body": '{"data": ["", 1]}'}
    asked = "body => fetch('gradio_api/run/list_jobs', body).then(answer => answer.json())"
    found: dict[str, Any] = person.page.evaluate(asked, body)["data"][0][0]
    return found


def test_it_ends_with_the_page_where_its_box_is_ticked(person: Person, tmp_path: Path) -> None:
    person.open("training")
    dropped(person, tmp_path, own_zip(24))
    person("own-more-settings > button").click()
    person.choose("own-model", "tiny-stickers")
    person("own-ends-with-page input").check()
    person("training-start").click()
    sees_learning(person)
    assert newest_job(person)["ends_with_page"]
    stop(person)
