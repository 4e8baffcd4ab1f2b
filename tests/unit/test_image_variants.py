"""One request that stands for many pictures: choices in prompts, lists, lines, grids with labels, all of them kept."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.base import Artifact, Cancelled, Event, Kept, Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import ImageRequest
from pipelines.image.sheet import labelled
from pipelines.image.variants import MOST, axis, plan
from pipelines.image.wildcards import chosen, each, read_lists, take_apart
from tests.unit import tiny_diffusers
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)


def asked(**more: object) -> ImageRequest:
    return ImageRequest.parse({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 7, **more})


def words(request: ImageRequest) -> list[str]:
    return [shot.request.prompt for shot in plan(request, request.seed).shots]


# ------------------------------------------------------------------------------------------------ choices


def test_a_prompt_stands_for_all_its_choices_in_order() -> None:
    assert list(each(take_apart("a {red|blue} {cat|dog}", {}))) == [
        "a red cat",
        "a red dog",
        "a blue cat",
        "a blue dog",
    ]


def test_choices_may_be_nested_weighted_and_listed() -> None:
    lists = read_lists("colour: red, green\nanimal: cat, __colour__ frog")
    found = list(each(take_apart("{3::big|{very |}small} __animal__", lists)))
    assert found[0] == "big cat"
    assert "very small green frog" in found
    assert len(found) == 3 * 3


def test_a_brace_without_a_bar_is_a_brace() -> None:
    assert words(asked(prompt="a {cat} and {")) == ["a {cat} and {"]


def test_the_weight_of_a_choice_is_how_often_it_is_made() -> None:
    parts = take_apart("{9::red|blue}", {})
    assert sum(chosen(parts, seed) == "red" for seed in range(1000)) in range(860, 940)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab{}|_: 1.", max_size=40), st.integers(0, 2**32 - 1))
def test_whatever_is_written_the_choice_made_is_among_all_there_are(text: str, seed: int) -> None:
    try:
        parts = take_apart(text, {"a": ("x", "y")})
    except StudioError:
        return
    assert chosen(parts, seed) in set(each(parts))


def test_lists_that_name_each_other_and_lists_there_are_not_are_sentences() -> None:
    with pytest.raises(StudioError, match="without an end"):
        take_apart("__a__", {"a": ("__b__",), "b": ("__a__",)})
    with pytest.raises(StudioError, match="names the list c, and there is none of that name; there are: a"):
        take_apart("__c__", {"a": ("x",)})
    with pytest.raises(StudioError, match="“red, green” is none"):
        read_lists("red, green")


def test_every_picture_chooses_by_its_own_seed() -> None:
    request = asked(prompt="a {red|green|blue|black|white} cat", count=8)
    assert words(request) == [chosen(take_apart(request.prompt, {}), 7 + place) for place in range(8)]
    assert len(set(words(request))) > 1


# -------------------------------------------------------------------------------------------------- plans


def test_each_line_is_a_prompt_where_that_is_asked_for() -> None:
    assert words(asked(prompt="a cat\n\n a dog", lines=True, count=2)) == ["a cat", "a cat", "a dog", "a dog"]
    assert words(asked(prompt="a cat\na dog")) == ["a cat\na dog"]


def test_a_grid_goes_over_two_settings_with_the_same_seed_everywhere() -> None:
    found = plan(asked(x_field="steps", x_values="2, 4", y_field="words", y_values='cat, "dog, sad"'), 7)
    shots = [(shot.row, shot.column, shot.request.steps, shot.request.prompt) for shot in found.shots]
    assert shots == [(0, 0, 2, "a cat"), (0, 1, 4, "a cat"), (1, 0, 2, "a dog, sad"), (1, 1, 4, "a dog, sad")]
    assert {shot.request.seed for shot in found.shots} == {7}
    assert (found.columns, found.rows) == (("steps 2", "steps 4"), ("cat", "dog, sad"))


def test_numbers_may_be_given_as_a_range() -> None:
    assert axis("steps", "10-30 (+10), 50") == ["10", "20", "30", "50"]
    assert axis("seed", "3-5") == ["3", "4", "5"]
    assert axis("guidance", "1-2 (+0.5)") == ["1", "1.5", "2"]


def test_what_cannot_be_is_a_sentence_with_the_value() -> None:
    for more, sentence in (
        ({"x_field": "steps", "x_values": ""}, "grid over steps has no values"),
        ({"x_field": "steps", "x_values": "1-99"}, f"at most {MOST}"),
        ({"x_field": "steps", "x_values": "999"}, "steps must be at most 150; you gave 999"),
        ({"x_field": "steps", "x_values": "many"}, "steps"),
        ({"x_field": "words", "x_values": "dog, cat"}, "replaces “dog”, which the prompt does not have"),
        ({"prompt": "{a|b}{a|b}{a|b}{a|b}{a|b}{a|b}{a|b}", "wildcards": "all"}, f"at most {MOST}"),
        ({"x_field": "scheduler", "x_values": "magic"}, "scheduler"),
    ):
        with pytest.raises(StudioError, match=sentence):
            plan(asked(**more), 7)


# ----------------------------------------------------------------------------------------------- pictures


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.load(tiny_diffusers.stable_diffusion(tmp_path_factory.mktemp("models") / "sd"), CPU, lambda *_: None)
    return pipeline


def events(pipeline: ImagePipeline, request: ImageRequest, turn: FreeTurn | None = None) -> list[Event]:
    return list(pipeline.run(request, turn or FreeTurn(Path())))


def pixels(artifact: Artifact) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(artifact.data)), np.int16)


def test_each_picture_of_many_is_the_one_its_own_recipe_makes(sd: ImagePipeline) -> None:
    request = asked(prompt="a {cat|dog|fox}", count=2, x_field="steps", x_values="2, 3")
    made = events(sd, request)[-1]
    assert isinstance(made, Result)
    *pictures, first, second = made.artifacts
    assert [one.name for one in (first, second)] == ["grid-1.png", "grid-2.png"]
    assert len({one.name for one in pictures}) == 4
    for one in pictures:
        alone = ImageRequest.parse({**request.model_dump(), **one.settings, "seed": one.facts["seed"]})
        assert (alone.count, alone.x_field, "{" in alone.prompt) == (1, "", False)
        again = events(sd, alone)[-1]
        assert isinstance(again, Result)
        assert again.artifacts[0].data == one.data


def test_finished_pictures_are_kept_one_by_one_and_a_cancel_does_not_take_them(sd: ImagePipeline) -> None:
    request = asked(count=3)
    whole = events(sd, request)
    kept = [artifact for event in whole if isinstance(event, Kept) for artifact in event.artifacts]
    assert isinstance(whole[-1], Result)
    assert kept == list(whole[-1].artifacts[:2])
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        seen.extend(sd.run(request, FreeTurn(Path(), cancel_after=7)))
    assert [artifact.name for event in seen if isinstance(event, Kept) for artifact in event.artifacts] == [
        "picture-7.png"
    ]


def test_ending_early_keeps_what_is_there_and_the_grid_of_it(sd: ImagePipeline) -> None:
    made = events(sd, asked(x_field="seed", x_values="1-4"), FreeTurn(Path(), finish_after=6))[-1]
    assert isinstance(made, Result)
    assert [one.name for one in made.artifacts] == ["picture-01-1.png", "picture-02-2.png", "grid-1.png"]
    assert str(made.facts["ended_early"]).endswith("of 12 steps")


def test_a_sheet_has_a_cell_for_each_picture_and_room_for_the_labels() -> None:
    cells = {(row, column): Image.new("RGB", (40, 30), (255, 0, 0)) for row in range(2) for column in range(3)}
    del cells[1, 2]
    page = labelled(cells, ("a", "b", "c"), ("one", "two"), "title")
    red = (np.asarray(page) == (255, 0, 0)).all(-1)
    assert red.sum() == 5 * 40 * 30
    assert page.width > 3 * 40
    assert labelled(cells, ("猫", "狗", "鸟"), ("一", "二")).height < page.height


def test_a_large_grid_is_made_smaller() -> None:
    page = labelled({(0, column): Image.new("RGB", (2048, 64)) for column in range(8)}, tuple("abcdefgh"), ())
    assert max(page.size) <= 4096 + 8 * 8 + 8


def test_the_high_resolution_fix_makes_the_picture_larger(sd: ImagePipeline) -> None:
    made = events(sd, asked(enlarge=1.5))[-1]
    assert isinstance(made, Result)
    assert pixels(made.artifacts[0]).shape == (96, 96, 3)
    assert "ended_early" not in made.facts
    with pytest.raises(StudioError, match="keeps its size"):
        asked(enlarge=2, method="extend", source="a" * 64, extend_left=8)


def test_a_picture_is_upscaled_where_that_is_asked_for(sd: ImagePipeline) -> None:
    made = events(sd, asked(upscale=2))[-1]
    assert isinstance(made, Result)
    assert pixels(made.artifacts[0]).shape == (128, 128, 3)
