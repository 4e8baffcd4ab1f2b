"""From npm archives to pictures with captions, on archives of a few drawings."""

import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.errors import StudioError
from pipelines.sticker import data as building
from pipelines.sticker import packages
from pipelines.sticker.captions import captions, name_of, pair_captions, recoloured_captions, without_colour
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import Drawing, Names, draw, drawings_of, premultiplied, shrunk
from pipelines.sticker.examples import gather
from pipelines.sticker.held_out import NEW, is_held_out
from pipelines.sticker.pairs import from_signed, pair, to_signed

CIRCLE = '<circle cx="16" cy="16" r="14" fill="#e02020"/>'
HALF = '<rect width="16" height="32" fill="#2040e0" fill-opacity="0.5"/>'
ENGLISH = [
    {"label": "red heart", "hexcode": "1", "tags": ["love"], "group": 0, "subgroup": 14},
    {"label": "dog face", "hexcode": "2", "tags": ["dog", "pet"], "group": 3, "subgroup": 34},
    {"label": "Santa Claus", "hexcode": "3", "tags": ["christmas", "father"], "group": 1, "subgroup": 26},
]
CHINESE = [{"label": "红心", "hexcode": "1", "tags": ["爱"]}, {"label": "狗脸", "hexcode": "2", "tags": ["狗"]}]
GROUPS = {
    "groups": {"0": "smileys-emotion", "1": "people-body", "3": "animals-nature"},
    "subgroups": {"14": "heart", "26": "person-fantasy", "34": "animal-mammal"},
}
ICONS = {
    "red-heart": {"body": CIRCLE},
    "dog-face": {"body": HALF, "width": 16},
    "dog-face-dark": {"body": HALF},
    "flag-france": {"body": HALF},
    "old": {"body": HALF, "hidden": True},
    "vertical-traffic-light": {"body": CIRCLE},
    "fatherchristmas": {"body": CIRCLE},
}


def archive(path: Path, files: dict[str, object]) -> None:
    with tarfile.open(path, "w:gz") as made:
        for name, value in files.items():
            content = json.dumps(value).encode()
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """A folder with every package as a small archive of the same three drawings."""
    folder = tmp_path / "set" / "packages"
    folder.mkdir(parents=True)
    for package in packages.DRAWN:
        archive(folder / package.archive, {"icons.json": {"width": 32, "height": 32, "icons": ICONS}})
    names = {"en/data.json": ENGLISH, "zh/data.json": CHINESE, "meta/groups.json": GROUPS}
    archive(folder / packages.NAMES.archive, names)
    return folder


@pytest.fixture
def built(archives: Path, monkeypatch: pytest.MonkeyPatch) -> StickerData:
    monkeypatch.setattr(building, "fetch", lambda folder: None)  # the small archives have other checksums
    return building.build(archives.parent, processes=1)


def test_skin_tones_flags_and_hidden_drawings_are_left_out_and_traffic_lights_are_not(archives: Path) -> None:
    found = [drawing.name for drawing, _ in drawings_of(archives, packages.DRAWN[0], Names(archives))]
    assert found == ["red-heart", "dog-face", "vertical-traffic-light", "fatherchristmas"]


def test_a_drawing_has_emojibases_name_and_tags_in_both_languages(archives: Path) -> None:
    found = Names(archives).drawing("noto", "red-heart")
    assert (found.caption, found.tags, found.caption_zh, found.tags_zh) == ("red heart", ("love",), "红心", ("爱",))
    assert (found.group, found.subgroup) == ("smileys-emotion", "heart")


def test_a_name_written_together_is_cut_into_known_words(archives: Path) -> None:
    assert Names(archives).drawing("firefox", "fatherchristmas").caption == "father christmas"


def test_the_set_has_a_small_and_a_large_picture_of_each_drawing(built: StickerData) -> None:
    assert len(built.drawings) == 5 * 4
    assert built.pictures.shape == (20, 64, 64, 4)
    large = built.large([0, 1])
    assert large.shape == (2, 256, 256, 4)
    assert np.array_equal(shrunk(large[1]), built.pictures[1])


def test_the_same_packages_give_the_same_files(built: StickerData) -> None:
    before = (built.folder / "pictures-64.npy").read_bytes(), (built.folder / "pictures-256.zip").read_bytes()
    again = building.build(built.folder, processes=1)
    assert (again.folder / "pictures-64.npy").read_bytes() == before[0]
    assert (again.folder / "pictures-256.zip").read_bytes() == before[1]


def test_a_drawing_that_is_not_square_lies_in_the_middle_undistorted() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 32 32"><rect width="16" height="32"/></svg>'
    alpha = premultiplied(draw(svg, 64))[32, :, 3]
    assert alpha[:15].max() == 0
    assert alpha[17:47].min() == 255
    assert alpha[49:].max() == 0


def test_colours_are_multiplied_by_alpha_and_come_back_plain() -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{HALF}</svg>'
    picture = premultiplied(draw(svg, 32))
    assert abs(int(picture[16, 4, 2]) - 0xE0 * 128 / 255) <= 1
    plain = from_signed(to_signed(torch.from_numpy(picture)[None]))[0]
    assert abs(int(plain[16, 4, 2]) - 0xE0) <= 1
    assert plain[16, 28].tolist() == [0, 0, 0, 0]


def test_without_a_set_the_sentence_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"python -m pipelines\.sticker\.data"):
        _ = StickerData(tmp_path).drawings


def test_an_archive_that_is_not_the_pinned_one_is_refused(archives: Path) -> None:
    with pytest.raises(StudioError, match="is not the file this recipe was written for"):
        packages.fetch(archives)


def test_without_npm_the_sentence_names_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(StudioError, match=r"npm is not on this machine.*iconify-json-fluent-emoji-1\.2\.7\.tgz"):
        packages.fetch(tmp_path)


def test_what_npm_says_when_it_fails_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/npm")
    told = subprocess.CompletedProcess([], 1, "", "npm error network is down")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: told)
    with pytest.raises(StudioError, match=r"could not fetch @iconify-json/fluent-emoji.*network is down"):
        packages.fetch(tmp_path)


DOG = Drawing("noto", "dog-face", "dog face", ("dog", "pet"), "狗脸", ("狗",), "animals-nature", "animal-mammal")
HEART = Drawing("noto", "red-heart", "red heart", ("love",), "红心", (), "smileys-emotion", "heart")


def test_an_animals_face_is_called_by_its_name() -> None:
    assert name_of(DOG) == "dog"
    assert "dog face" in dict(captions(DOG, None))


def test_a_colour_word_takes_the_place_of_the_one_in_the_name() -> None:
    assert without_colour("red heart") == "heart"
    assert [said for said, _ in recoloured_captions(HEART, "green")] == ["green heart", "a green heart", "heart, green"]


def test_two_of_a_kind_are_called_two() -> None:
    assert [said for said, _ in pair_captions(DOG, DOG)] == ["two dog", "two dogs"]
    assert "dog and red heart" in dict(pair_captions(DOG, HEART))


def test_a_pair_lays_the_right_one_in_front() -> None:
    red, blue = torch.zeros(1, 4, 64, 64), torch.zeros(1, 4, 64, 64)
    red[:, [0, 3]], blue[:, [2, 3]] = 1, 1
    both = pair(red, blue)[0]
    assert both[:, 20, 5].tolist() == [1, 0, 0, 1]
    assert both[:, 40, 60].tolist() == [0, 0, 1, 1]
    assert both[:, 32, 32].tolist() == [0, 0, 1, 1]
    assert both[:, 0, 0].tolist() == [0, 0, 0, 0]


def test_no_example_shows_a_combination_that_is_kept_for_the_evaluation(built: StickerData) -> None:
    named = replace(DOG, caption="dog")
    drawings = tuple(named if place % 2 else replace(HEART, caption="cake") for place in range(len(built.drawings)))
    built.__dict__["drawings"] = drawings
    found = gather(built)
    said = {caption for each in found.said for caption, _ in each}
    assert len([kind for kind in found.kinds if kind == 1]) > 0
    assert not said & set(NEW)


def test_a_held_out_caption_is_known_in_any_order_and_with_articles() -> None:
    assert is_held_out({"a", "dog", "purple"})
    assert is_held_out({"cake", "and", "dog"})
    assert not is_held_out({"purple", "cat"})
    assert len(set(NEW)) == 100
