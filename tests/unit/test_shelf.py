"""Looking through a library and marking what is in it: words, filters, orders, pages, stars, tags, collections."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from pipelines.errors import StudioError
from pipelines.style.styles import find_style
from studio.library.bundle import bundle, names
from studio.library.library import Item
from studio.store.shelf import WordsRow
from studio.store.words import spread
from tests.library import Shelves, drawn, generator, png, text


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[Shelves]:
    made = Shelves(tmp_path, database_url)
    yield made
    made.close()


def test_words_are_found_in_titles_prompts_styles_tags_and_models_begun_or_whole(home: Shelves) -> None:
    fox = home.picture("a red fox in the snow")
    home.make("style", {"photo": fox.digest, "style": "indigo-waves"}, png(drawn("navy"), "indigo-waves"))
    home.marks.tag("ann", [fox.id], add=["Postcard"])
    assert (
        home.found(words="fox") == home.found(words="FO sno") == home.found(words="postc") == ["a red fox in the snow"]
    )
    for words in ("indigo", find_style("indigo-waves").zh):
        assert home.found(words=words) == ["indigo-waves"]
    assert home.found(words="wolf") == []


def test_chinese_is_found_by_any_part_of_a_sentence(home: Shelves) -> None:
    home.picture("雪山上的小红狐狸")
    home.picture("海上的帆船")
    assert home.found(words="狐狸") == home.found(words="红狐") == ["雪山上的小红狐狸"]
    assert sorted(home.found(words="上的")) == sorted(["雪山上的小红狐狸", "海上的帆船"])
    assert home.found(words="狸狐") == []


def test_quotes_keep_words_together_and_a_minus_leaves_them_out(home: Shelves) -> None:
    home.picture("red fox and blue bird")
    home.picture("blue fox and red bird")
    assert home.found(words='"red fox"') == ["red fox and blue bird"]
    assert home.found(words='fox -"blue fox"') == ["red fox and blue bird"]
    assert len(home.found(words="fox red")) == 2


@pytest.mark.parametrize(
    "typed",
    [
        '"',
        "*",
        "a OR",
        "NEAR(a b)",
        "title:fox",
        "-",
        "--",
        "(",
        "AND",
        "a & b",
        "a:*",
        "!a",
        "<->",
        "^fox",
        "a'b",
        "é́",
        '""',
    ],
)
def test_what_looks_like_syntax_is_looked_up_as_words(home: Shelves, typed: str) -> None:
    home.picture("a red fox")
    home.found(words=typed)


def test_words_of_one_person_are_not_found_by_another(home: Shelves) -> None:
    home.picture("a secret fox", owner="bob")
    assert home.found("ann", words="secret") == []
    assert home.found("bob", words="secret") == ["a secret fox"]


def test_the_words_follow_tags_and_deletions(home: Shelves) -> None:
    item = home.picture("a fox")
    home.marks.tag("ann", [item.id], add=["winter"])
    home.marks.tag("ann", [item.id], remove=["winter"], add=["summer"])
    assert home.found(words="winter") == []
    assert home.found(words="summer") == ["a fox"]
    home.library.delete("ann", item.id)
    assert home.found(words="fox") == []
    with home.database.read() as session:
        assert session.scalar(select(func.count()).select_from(WordsRow)) == 0


def test_pages_follow_each_other_without_gaps_in_every_order(home: Shelves) -> None:
    for number in range(7):
        home.picture(f"card {number % 3}", color=f"rgb({number * 30}, 0, 0)")
    for sort in ("newest", "oldest", "title", "largest"):
        whole = [item.id for item in home.page(sort=sort).items]
        seen: list[str] = []
        after = None
        while True:
            page = home.page(sort=sort, after=after, limit=2)
            seen += [item.id for item in page.items]
            if page.after is None:
                break
            after = json.loads(json.dumps(page.after))  # as it comes back from the page
        assert seen == whole
        assert len(set(seen)) == 7


def test_a_page_is_not_disturbed_by_what_is_made_meanwhile(home: Shelves) -> None:
    for number in range(4):
        home.picture(f"card {number}")
    first = home.page(limit=2)
    home.picture("new")
    second = home.page(limit=2, after=first.after)
    assert [item.title for item in first.items + second.items] == ["card 3", "card 2", "card 1", "card 0"]


def test_filters_go_together_and_are_counted(home: Shelves) -> None:
    fox = home.picture("a fox")
    home.make("text", {"prompt": "write"}, text("hello", "words"))
    home.make("training", {"dataset": "mnist", "recipe": "r1"}, generator())
    home.marks.star("ann", [fox.id])
    assert home.found(kind="pictures") == home.found(starred=True) == ["a fox"]
    assert home.found(kind="texts") == ["words"]
    assert home.found(kind="generators") == ["A generator"]
    assert home.page().count == 3
    assert home.page(kind="texts", starred=True).count == 0
    with pytest.raises(StudioError, match="must be one of"):
        home.page(kind="everything")
    for after in (["x"], 0.1, "x", {}, [10**30, "x"], [float("nan"), "x"], [None, "x"], [1.0, 2]):
        with pytest.raises(StudioError, match="A page begins"):
            home.page(after=after)


def test_a_collection_is_made_filled_renamed_and_deleted_and_its_things_stay(home: Shelves) -> None:
    fox, hen = home.picture("a fox"), home.picture("a hen")
    book = home.marks.make_collection("ann", " For  the book ")
    home.marks.collect("ann", book, [fox.id, hen.id])
    home.marks.collect("ann", book, [hen.id], on=False)
    assert home.found(collection=book) == ["a fox"]
    (kept,) = home.marks.collections("ann")
    assert (kept.name, kept.count, kept.cover) == ("For the book", 1, fox.id)
    with pytest.raises(StudioError, match="already"):
        home.marks.make_collection("ann", "for the BOOK")
    home.marks.rename_collection("ann", book, "Zoo")
    home.marks.delete_collection("ann", book)
    assert home.marks.collections("ann") == []
    assert len(home.found()) == 2


def test_marks_on_another_persons_things_are_refused_and_nothing_is_changed(home: Shelves) -> None:
    mine, hers = home.picture("mine", owner="bob"), home.picture("hers")
    book = home.marks.make_collection("ann", "book")
    for refused in (
        lambda: home.marks.star("bob", [mine.id, hers.id]),
        lambda: home.marks.tag("bob", [mine.id, hers.id], add=["x"]),
        lambda: home.marks.collect("bob", book, [mine.id]),
        lambda: home.marks.rename_collection("bob", book, "x"),
        lambda: home.marks.delete_collection("bob", book),
    ):
        with pytest.raises(StudioError):
            refused()
    assert home.found("bob", starred=True) == []
    assert home.marks.tags("bob") == []
    assert home.found("bob", collection=book) == []


@pytest.mark.parametrize("tag", ["", "   ", "a,b", "x" * 41])
def test_what_is_no_tag_is_refused_with_the_rule(home: Shelves, tag: str) -> None:
    item = home.picture("a fox")
    with pytest.raises(StudioError, match="1 to 40 characters"):
        home.marks.tag("ann", [item.id], add=[tag])


def test_many_are_deleted_at_once_and_shared_files_stay_for_others(home: Shelves) -> None:
    mine = [home.make("text", {"prompt": "x"}, text("same", "same")), home.picture("other")]
    hers = home.make("text", {"prompt": "x"}, text("same", "same"), owner="bob")
    assert mine[0].digest == hers.digest
    assert home.library.delete_many("ann", [one.id for one in [*mine, hers]]) == 2
    assert home.found() == []
    assert home.found("bob") == ["same"]
    assert home.library.blobs.path(hers.digest).is_file()


# --------------------------------------------------------------------------------------------------- zips


def unzipped(home: Shelves, items: list[Item]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(bundle(items, home.library.blobs))))


def test_a_zip_holds_each_thing_under_a_name_that_makes_sense_and_all_recipes(home: Shelves) -> None:
    items = [
        home.picture("a fox"),
        home.picture("a fox", color="red"),
        home.make("text", {"prompt": "x"}, text("hello")),
    ]
    with unzipped(home, items) as archive:
        assert archive.testzip() is None
        files = archive.namelist()
        assert [name[11:] for name in files[:3]] == ["a fox.png", "a fox 2.png", "A text.txt"]
        assert archive.read(files[0]) == home.library.blobs.read(items[0].digest)
        lines = [json.loads(line) for line in archive.read("recipes.jsonl").splitlines()]
    assert [line["file"] for line in lines] == files[:3]
    assert lines[0]["recipe"]["settings"]["prompt"] == "a fox"


def test_a_thing_deleted_while_it_is_sent_is_left_out_and_its_line_says_so(home: Shelves) -> None:
    items = [home.picture("a fox"), home.picture("a hen", color="red")]
    home.library.blobs.young = -1
    home.library.delete("ann", items[0].id)
    with unzipped(home, items) as archive:
        assert len(archive.namelist()) == 2
        assert [json.loads(line).get("missing") for line in archive.read("recipes.jsonl").splitlines()] == [True, None]


def test_no_piece_of_a_zip_is_larger_than_a_little(home: Shelves) -> None:
    noise = bytes(range(256)) * 8192
    item = home.make("training", {"dataset": "mnist", "recipe": "r1"}, text(noise.decode("latin-1"), "large"))
    assert max(map(len, bundle([item], home.library.blobs))) < 2 << 18


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_no_title_leads_a_file_out_of_its_folder(titles: list[str]) -> None:
    items = [
        Item("i", "ann", None, "image", title, "../x.png", "image/png", "f" * 64, 1, 1, 1, 1.0, False)
        for title in titles
    ]
    found = names(items)
    assert len({name.casefold() for name in found}) == len(items)
    assert all("/" not in name and "\\" not in name and ".." not in name for name in found)


def test_spreading_puts_each_chinese_character_apart_and_leaves_latin_words() -> None:
    assert spread("Ａ 小狐狸fox") == "a 小 狐 狸 fox"
