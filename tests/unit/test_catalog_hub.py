"""The hub source against a real HTTP server on this machine that answers as the hub does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.base import Cancelled
from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.hub import HubFile, choose
from pipelines.verify import read_note, sha256_of
from tests.unit.hub_server import COMMIT, Hub, serving

REPO = "somebody/tiny-lm"
WEIGHTS = os.urandom(300_000)
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"never fetched",
    "onnx/model.onnx": b"never fetched",
    "README.md": b"never fetched",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(REPO, FILES)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield hub


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "catalog.toml").write_text("model = []")
    return Catalog(tmp_path / "assets", tmp_path / "data")


def test_a_model_asked_for_by_its_hub_id_is_fetched_checked_and_listed(hub: Hub, catalog: Catalog) -> None:
    entry = catalog.resolve(REPO, "text")
    assert not catalog.is_ready(entry)
    assert catalog.size(entry) == sum(
        len(FILES[name]) for name in ("config.json", "model.safetensors", "tokenizer.json")
    )
    heard: list[tuple[str, float, float | None]] = []
    folder = catalog.fetch(entry, lambda stage, done=0, total=None, unit="": heard.append((stage, done, total)))
    assert {file.name for file in folder.iterdir() if not file.name.startswith(".")} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert catalog.is_ready(entry)
    assert catalog.hash(entry) == sha256_of(folder / "model.safetensors")
    note = read_note(folder)
    assert note is not None
    assert note.revision == COMMIT
    assert [one.name for one in catalog.entries("text")] == [REPO]
    assert heard[-1][0] == "verifying"
    assert heard[-1][1] == heard[-1][2]


def test_a_fetched_model_is_used_with_no_network(hub: Hub, catalog: Catalog) -> None:
    entry = catalog.resolve(REPO, "text")
    folder = catalog.fetch(entry)
    hub.asked.clear()
    assert catalog.fetch(entry) == folder
    assert hub.asked == []


def test_a_repository_of_pickles_is_refused_before_anything_is_downloaded(hub: Hub, catalog: Catalog) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(StudioError, match=r"only as pickled files \(\.bin\)"):
        catalog.fetch(catalog.resolve(REPO, "text"))
    assert not [asked for asked in hub.asked if "/resolve/" in asked]


def test_a_language_model_is_refused_where_a_picture_model_was_asked_for(hub: Hub, catalog: Catalog) -> None:
    with pytest.raises(StudioError, match="is a model for text, and one for image"):
        catalog.fetch(catalog.resolve(REPO, "image"))


def test_an_id_nobody_has_is_a_sentence(hub: Hub, catalog: Catalog) -> None:
    with pytest.raises(StudioError, match="no model named somebody/else on the hub"):
        catalog.fetch(catalog.resolve("somebody/else", "text"))


def test_a_gated_model_says_to_accept_its_licence(hub: Hub, catalog: Catalog) -> None:
    hub.gated = True
    with pytest.raises(StudioError, match=r"Accept it on .*HF_TOKEN"):
        catalog.fetch(catalog.resolve(REPO, "text"))


def test_other_contents_than_promised_are_thrown_away(hub: Hub, catalog: Catalog) -> None:
    hub.promised["model.safetensors"] = "0" * 64
    entry = catalog.resolve(REPO, "text")
    with pytest.raises(StudioError, match=r"model\.safetensors .* other contents"):
        catalog.fetch(entry)
    assert not catalog.is_ready(entry)
    assert not list(catalog.models.glob(".hub-*"))


def test_a_cancel_ends_the_download_at_once_and_whole_files_are_not_fetched_again(hub: Hub, catalog: Catalog) -> None:
    chunk = 10 << 20  # huggingface_hub writes in pieces of this size
    hub.files["model.safetensors"] = WEIGHTS * 40
    hub.stall_after = chunk + 1000

    def whole(name: str) -> bool:
        """As huggingface_hub has it: it notes commit, hash and time of what it has put in place."""
        return any(len(note.read_text().splitlines()) == 3 for note in catalog.models.rglob(f"{name}.metadata"))

    def cancel(stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None:
        if done >= chunk and whole("tokenizer.json"):  # files come side by side
            raise Cancelled

    entry = catalog.resolve(REPO, "text")
    with pytest.raises(Cancelled):
        catalog.fetch(entry, cancel)
    assert not catalog.is_ready(entry)
    hub.go_on.set()
    hub.stall_after = None
    assert (catalog.fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS * 40
    assert len([asked for asked in hub.asked if asked.startswith("GET") and asked.endswith("/tokenizer.json")]) == 1
    assert not list(catalog.models.rglob("*.incomplete"))


def test_offline_is_a_sentence_that_says_how_to_bring_the_model(
    hub: Hub, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StudioError, match=r"HF_HUB_OFFLINE forbids .* fetch somebody/tiny-lm --task text"):
        catalog.fetch(catalog.resolve(REPO, "text"))
    assert hub.asked == []


def test_no_network_is_a_sentence(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StudioError, match="the hub cannot be reached"):
        catalog.fetch(catalog.resolve(REPO, "text"))


# ------------------------------------------------------------------------------------- which files are chosen


def _files(*paths: str) -> list[HubFile]:
    return [HubFile(path, size) for size, path in enumerate(paths, 1)]


def _chosen(*paths: str, task: str = "image") -> set[str]:
    return {file.path for file in choose(_files(*paths), "image" if task == "image" else "text", "x")}


def test_of_a_picture_model_the_half_precision_copy_is_taken_where_every_part_has_one() -> None:
    parts = ["model_index.json", "unet/config.json", "vae/config.json", "sd_turbo.safetensors", "unet/u.bin"]
    both = [f"{part}/m{kind}.safetensors" for part in ("unet", "vae") for kind in ("", ".fp16")]
    assert _chosen(*parts, *both) == {
        "model_index.json",
        "unet/config.json",
        "vae/config.json",
        "unet/m.fp16.safetensors",
        "vae/m.fp16.safetensors",
    }
    assert "vae/m.safetensors" in _chosen(*parts, "vae/m.safetensors", "unet/m.safetensors", "unet/m.fp16.safetensors")


def test_a_picture_model_with_one_pickled_part_is_refused() -> None:
    with pytest.raises(StudioError, match="pickled"):
        _chosen("model_index.json", "unet/config.json", "unet/x.bin", "vae/config.json", "vae/x.safetensors")


def test_the_makers_own_copy_of_a_language_model_is_left_out() -> None:
    assert _chosen("config.json", "model.safetensors", "original/consolidated.00.pth", task="text") == {
        "config.json",
        "model.safetensors",
    }


def test_one_of_many_quantised_copies_is_taken() -> None:
    assert _chosen("m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf", task="text") == {"m-Q4_K_M.gguf"}


def test_a_repository_without_weights_is_refused() -> None:
    with pytest.raises(StudioError, match="no weights that can be read"):
        _chosen("config.json", task="text")


def test_the_note_is_json_anybody_can_read(hub: Hub, catalog: Catalog) -> None:
    folder = catalog.fetch(catalog.resolve(REPO, "text"))
    assert json.loads((folder / ".verified.json").read_text())["files"]["model.safetensors"][1] == len(WEIGHTS)
