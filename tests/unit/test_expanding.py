"""A longer prompt out of a few words: what is kept of what a model writes, and never without the words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import StudioError
from pipelines.requests import TextRequest
from studio.models import main as models
from studio.services import Studio
from studio.tabs.expanding import LONG, expanded, expanding, read_words, tidied
from tests.studios import OWNER, open_in
from tests.unit import tiny_language

MORE = " in the snow, golden light"


@pytest.mark.parametrize(
    ("own", "more", "kept"),
    [
        ("a fox", " in a snowy meadow, golden light, grey coat", "a fox in a snowy meadow, golden light, grey coat"),
        ("happy penguin", " in the snow, a snowy penguin, happy penguin, penguin, blue moon\n\nIdea: a",
         "happy penguin in the snow, a snowy penguin, blue moon"),
        ("sad clown, ink.", ", dark grey hat, white face. He was", "sad clown, ink, dark grey hat, white face"),
        ("a dragon", " of the dragon, a dragon", "a dragon"),
        ("castle", " " + "very " * 20 + "high, dark sky", "castle, dark sky"),
        ("一只猫", " on a mountain, large ears", "一只猫, cat on a mountain, large ears"),
        ("雪山日出。", ", golden light", "雪山日出, golden light"),
    ],
)  # fmt: skip
def test_what_a_model_goes_on_with_is_kept_where_it_says_something_new(own: str, more: str, kept: str) -> None:
    assert tidied(own, more, whole=True) == kept


def test_half_a_clause_is_left_out_where_the_model_was_cut_short() -> None:
    assert tidied("a fox", " in the snow, golden li", whole=False) == "a fox in the snow"
    assert tidied("a fox", " in the sn", whole=False) == "a fox"
    assert tidied("a fox", " in the snow.", whole=False) == "a fox in the snow"


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(alphabet=" abc,.，。\n猫", max_size=80), st.booleans())
def test_the_persons_words_are_never_lost(own: str, more: str, whole: bool) -> None:
    own = own.strip() or "x"
    longer = tidied(own, more, whole)
    assert longer.startswith(own.rstrip(" ,.;，。；\n"))
    assert "\n" not in longer[len(own) :]


def test_chinese_words_go_in_as_the_dictionary_has_them_and_others_as_they_are() -> None:
    assert read_words("一只猫") == "cat"
    assert read_words("a fox,\n in snow. ") == "a fox, in snow"
    assert read_words("ééé") == "ééé"


def test_any_few_words_are_a_request_to_the_text_model() -> None:
    assert TextRequest.parse(expanding("a fox", 3)).prompt.endswith("Idea: a fox\nPicture: a fox")


def knowing(folder: Path, more: str) -> Path:
    """A tiny model that knows by heart how our list goes on, and little else."""
    words = tiny_language.tokenizer()
    model = tiny_language.build("llama", len(words))
    model.config.max_position_embeddings = 2048
    before, after = (words(text).input_ids for text in (expanding("a fox")["prompt"], more + "\n\n"))
    ids = torch.tensor([before + after])
    labels = torch.tensor([[-100] * len(before) + after])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(100):
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    data, folder = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("models") / "tiny"
    assert models(["add", str(knowing(folder, MORE)), "--task", "text", "--data", str(data)]) == 0
    opened = open_in(data)
    yield opened
    opened.close()


def written(studio: Studio, prompt: str, seed: int = 5) -> list[str]:
    async def collect() -> list[str]:
        return [text async for text in expanded(studio, OWNER, prompt, seed, "tiny")]

    return asyncio.run(collect())


def test_a_language_model_writes_on_behind_the_words_and_the_same_seed_the_same(studio: Studio) -> None:
    texts = written(studio, "a fox")
    assert all(text.startswith("a fox") for text in texts)
    assert texts[-1] == "a fox" + MORE
    assert written(studio, "a fox") == texts
    assert studio.jobs.list(OWNER)[0].kind == "text"


def test_no_words_and_too_many_are_a_sentence(studio: Studio) -> None:
    with pytest.raises(StudioError, match="is empty"):
        written(studio, "  \n")
    with pytest.raises(StudioError, match=f"{LONG + 1} words already; up to {LONG}"):
        written(studio, "fox " * (LONG + 1))
