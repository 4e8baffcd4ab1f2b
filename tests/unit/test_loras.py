"""Which LoRA there are for a model: the catalogue's that were made for it, the folder's, and a person's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from pipelines.entries import Entry
from pipelines.errors import StudioError
from pipelines.hub import HubFile, choose
from studio.loras import FOLDER, named, offered, resolved, weights_of
from studio.services import Studio, open_studio
from tests.studios import OWNER, settings

LORA = save({"unet.a.to_q.lora_A.weight": torch.zeros(2, 4)})


def entry(name: str, place: Path, *base: str) -> Entry:
    files = {f"{name}.safetensors": hashlib.sha256(LORA).hexdigest()}
    source = f"path:{place / f'{name}.safetensors'}"
    return Entry(name=name, task="lora", title=name.title(), source=source, files=files, base=base, bytes=2_000_000)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    data, place = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("loras")
    (place / "ink.safetensors").write_bytes(LORA)
    (data / FOLDER).mkdir()
    (data / FOLDER / "mine.safetensors").write_bytes(LORA)
    (data / "models").mkdir()
    listed = [entry("ink", place, "sd-turbo"), entry("gone", place, "stabilityai/sd-turbo")]
    (data / "models" / "models.json").write_text(json.dumps({"models": [one.model_dump() for one in listed]}))
    opened = open_studio(settings(data, engine="inline"))
    yield opened
    opened.close()


def test_a_model_is_offered_what_was_made_for_it_under_its_name_or_its_id_and_the_folder(studio: Studio) -> None:
    folder = ("mine", "here:mine.safetensors")
    made_for = [("Ink", "catalogue:ink"), ("Gone (2.0 MB)", "catalogue:gone"), folder]
    assert sorted(offered(studio, "sd-turbo")) == sorted(made_for)
    assert sorted(offered(studio, "stabilityai/sd-turbo")) == sorted(made_for)
    assert offered(studio, "sdxl-turbo") == [folder]


def test_what_is_chosen_becomes_a_file_of_the_persons(studio: Studio) -> None:
    digest = hashlib.sha256(LORA).hexdigest()
    assert resolved(studio, OWNER, "catalogue:ink", "sd-turbo") == digest
    assert resolved(studio, OWNER, "here:mine.safetensors", "any") == digest
    assert resolved(studio, OWNER, digest, "any") == digest
    studio.library.check_owned(OWNER, [digest])


@pytest.mark.parametrize(
    ("choice", "model", "words"),
    [
        ("catalogue:ink", "sdxl-turbo", "was made for sd-turbo, and sdxl-turbo was chosen"),
        ("catalogue:gone", "sd-turbo", "not on this machine yet.*2.0 MB.*fetch gone"),
        ("catalogue:../ink", "sd-turbo", "no LoRA named ../ink"),
        ("catalogue:sd-turbo", "sd-turbo", "no LoRA named sd-turbo"),
        ("here:../models/models.json", "sd-turbo", "There is no file"),
    ],
)
def test_what_cannot_be_laid_over_the_model_is_a_sentence(studio: Studio, choice: str, model: str, words: str) -> None:
    with pytest.raises(StudioError, match=words):
        resolved(studio, OWNER, choice, model)


def test_weights_are_numbers_and_one_where_none_is_given() -> None:
    assert weights_of("0.5， -1", 3) == [0.5, -1, 1]
    assert weights_of("", 2) == [1, 1]
    assert named(" ink, ,gone ") == ["catalogue:ink", "catalogue:gone"]
    with pytest.raises(StudioError, match="“much” is none"):
        weights_of("much", 1)


def test_of_a_repository_only_the_file_with_the_lora_is_fetched() -> None:
    files = [HubFile(path, 9) for path in ("README.md", "pytorch_lora_weights.safetensors", "image.png")]
    assert [file.path for file in choose(files, "lora", "x")] == ["pytorch_lora_weights.safetensors"]
    assert [file.path for file in choose([HubFile("ink.safetensors", 9)], "lora", "x")] == ["ink.safetensors"]
    several = [HubFile("a.safetensors", 1), HubFile("b.safetensors", 1)]
    with pytest.raises(StudioError, match="has 2 safetensors files"):
        choose(several, "lora", "x")
