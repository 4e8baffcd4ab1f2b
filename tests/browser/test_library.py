"""The Library tab: what was made is opened, kept, sent, made again and deleted."""

from __future__ import annotations

import io
import re
import zipfile

from PIL import Image
from playwright.sync_api import expect

from studio.library.recipe import extract
from tests.browser.people import Person

TILES = "library-grid .tile"


def make_two(person: Person) -> None:
    """A text with a seed of its own, then a painted photo."""
    person.open("text")
    person.number("text-max-new-tokens", 9)
    person.more("text")
    person.seed("text", 21)
    person("text-prompt textarea").fill("Say hello to a cat.")
    person("text-make").click()
    person.sees_state("text", "done")
    person.go("style")
    person("style-example-1").click()
    person.sees_state("style", "done")


def test_what_was_made_is_found_newest_first_opened_downloaded_sent_made_again_and_deleted(person: Person) -> None:
    make_two(person)
    person.go("library")
    expect(person(f"{TILES} .card")).to_have_count(2)
    assert person(f"{TILES} .card").evaluate_all("all => all.map(one => one.dataset.kind)") == ["style", "text"]
    person.pick("library-filter", "Texts")
    expect(person(TILES)).to_have_count(1)
    person.pick("library-filter", "Everything")
    expect(person(TILES)).to_have_count(2)
    downloads_with_its_recipe(person)
    sends_the_picture_to_style(person)
    makes_the_text_again(person)
    deletes_after_being_asked(person)


def downloads_with_its_recipe(person: Person) -> None:
    person(f"{TILES} [data-kind=style]").click()
    expect(person("item-dialog .recipe")).to_contain_text("Strength")
    _, data = person.download(person("item-dialog a[download]"))
    recipe = extract(data)
    assert recipe is not None
    assert recipe["kind"] == "style"
    assert Image.open(io.BytesIO(data)).size[0] > 100


def sends_the_picture_to_style(person: Person) -> None:
    person("item-dialog .menu summary").click()
    person.page.get_by_role("menuitem", name="Style, as the photo").click()
    expect(person("style-photo-drop")).to_be_visible()
    expect(person("style-photo-drop .drop img")).to_be_visible()


def makes_the_text_again(person: Person) -> None:
    person.go("library")
    person(f"{TILES} [data-kind=text]").click()
    person("item-again").click()
    expect(person("text-prompt textarea")).to_have_value("Say hello to a cat.")
    expect(person("text-seed input[type=number]")).to_have_value("21")
    expect(person("text-seed-fresh input")).not_to_be_checked()
    expect(person("text-max-new-tokens input[type=number]")).to_have_value("9")


def deletes_after_being_asked(person: Person) -> None:
    person.go("library")
    person(f"{TILES} [data-kind=style]").click()
    address = person("item-dialog .dialog-thing img").get_attribute("src")
    person("item-delete").click()
    person("item-dialog").get_by_role("button", name="Keep").click()
    person("item-delete").click()
    person("item-delete-sure").click()
    expect(person("item-dialog")).to_be_hidden()
    expect(person(TILES)).to_have_count(1)
    assert person.context.request.get(f"{person.url}/{address}").status == 404


def finds_what_looks_alike(person: Person) -> None:
    if person("library-choose").get_attribute("aria-pressed") == "true":
        person("choose-done").click()
    person(f"{TILES} .card").first.click()
    person("item-similar").click()
    expect(person("library-heaps")).to_contain_text("Like")
    expect(person(TILES).first).to_be_visible()
    person("library-heaps").get_by_role("button", name="Like").first.click()
    expect(person(TILES)).to_have_count(2)


def test_an_empty_library_shows_the_way_to_the_tabs(person: Person) -> None:
    person.open("library")
    expect(person("library-grid .empty")).to_contain_text("What you make comes here")
    person("library-grid").get_by_role("button", name=re.compile("Training")).click()
    expect(person("training-start")).to_be_visible()


def test_the_library_is_searched_marked_collected_downloaded_and_deleted_by_many(person: Person) -> None:
    paints_two(person)
    person.go("library")
    expect(person(TILES)).to_have_count(2)
    finds_by_words(person)
    marks_both(person)
    shows_the_family(person)
    name, data = downloads_both(person)
    assert re.fullmatch(r"atelier-\d{8}-\d{4}\.zip", name)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert sorted(one.rsplit(".", 1)[1] for one in archive.namelist()) == ["jsonl", "png", "png"]
    explains(person, data)
    person("choose-delete").click()
    expect(person("library-chosen")).to_contain_text("Delete these 2 things?")
    person("choose-delete-sure").click()
    expect(person("library-deleted")).to_contain_text("Deleted 2.")
    expect(person("library-grid .empty")).to_contain_text("What you make comes here")
    person("library-undelete").click()
    expect(person(TILES)).to_have_count(2)
    expect(person("library-deleted")).to_be_hidden()
    finds_what_looks_alike(person)
    person("library-choose").click()
    person("choose-all").click()
    person("choose-delete").click()
    person("choose-delete-sure").click()
    expect(person("library-grid .empty")).to_contain_text("What you make comes here")


def paints_two(person: Person) -> None:
    """A temple in indigo waves, a cat in golden etching."""
    person.open("style")
    person("style-example-0").click()
    person.sees_state("style", "done")
    person.reload("style")
    person("style-example-1").click()
    person.sees_state("style", "done")


def finds_by_words(person: Person) -> None:
    person("library-words").fill("etch gold")
    expect(person(TILES)).to_have_count(1)
    person("library-words").fill("no such word")
    expect(person("library-grid .empty")).to_contain_text("Nothing has the words")
    person("library-clear").click()
    expect(person(TILES)).to_have_count(2)


def marks_both(person: Person) -> None:
    person("library-choose").click()
    person("choose-all").click()
    expect(person("library-chosen")).to_contain_text("2 chosen")
    person("choose-star").click()
    expect(person(f"{TILES} .tile-star")).to_have_count(2)
    person("choose-tags-open").click()
    person("choose-tag").fill("winter, Postcard")
    person("choose-tag").press("Enter")
    expect(person("library-heaps")).to_contain_text("postcard 2")
    person("choose-collect").click()
    person("choose-collection-name").fill("For the book")
    person("choose-collection-name").press("Enter")
    person("library-heaps").get_by_role("button", name="For the book 2").click()
    expect(person(TILES)).to_have_count(2)
    person("library-heaps").get_by_role("button", name="Rename").click()
    person("library-heaps").get_by_role("textbox").fill("Zoo")
    person("library-heaps").get_by_role("textbox").press("Enter")
    person("library-heaps").get_by_role("button", name="Zoo 2").click()
    person("choose-done").click()


def shows_the_family(person: Person) -> None:
    person(f"{TILES} .card").first.click()
    expect(person("item-tags")).to_contain_text("winter")
    person("item-family").click()
    expect(person("family-dialog [aria-current]")).to_contain_text("Painted photo")
    expect(person("family-dialog [data-state=given] img")).to_be_visible()
    person("family-close").click()
    person("item-similar").click()
    expect(person("library-heaps")).to_contain_text("Like:")
    person("library-heaps").get_by_role("button", name="Like:").click()


def downloads_both(person: Person) -> tuple[str, bytes]:
    person("library-choose").click()
    person("choose-all").click()
    return person.download(person("choose-download"))


def explains(person: Person, data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        picture = next(name for name in archive.namelist() if name.endswith(".png"))
        person("library-explain").click()
        file = {"name": "found.png", "mimeType": "image/png", "buffer": archive.read(picture)}
    person("explain-file").set_input_files(file)  # type: ignore[arg-type]
    expect(person("explain-dialog")).to_contain_text("It carries a recipe of this studio's kind")
    person("explain-dialog").get_by_role("button", name="Close").click()
