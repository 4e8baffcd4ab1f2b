"""Names, folders of the operator, and the list that ships."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.catalog import Catalog
from pipelines.entries import TASKS, Source, in_words
from pipelines.errors import StudioError
from pipelines.requests import ImageRequest
from studio.models import main
from studio.settings import ASSETS


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(ASSETS, tmp_path / "data")


def language_model(folder: Path, weights: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / weights).write_bytes(b"weights")
    return folder


def picture_model(folder: Path, weights: str = "diffusion.safetensors") -> Path:
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "config.json").write_text("{}")
    (folder / "unet" / weights).write_bytes(b"weights")
    return folder


# ------------------------------------------------------------------------------------------------ names


def test_every_entry_that_ships_has_what_a_person_needs_to_choose(catalog: Catalog) -> None:
    entries = catalog.entries()
    assert {entry.task for entry in entries} == set(TASKS)
    for entry in entries:
        assert entry.licence, entry.name
        assert entry.summary, entry.name
        assert entry.summary_zh, entry.name
        assert entry.min_memory_bytes > 0, entry.name
        assert entry.homepage.startswith("https://") or entry.pipeline, entry.name  # one of ours is at home here
        assert entry.bytes > 0 or entry.where.kind == "asset", entry.name
        assert entry.files or entry.where.kind == "hub", entry.name


def test_the_settings_an_entry_recommends_are_settings_of_its_task(catalog: Catalog) -> None:
    recommended = [entry for entry in catalog.entries() if entry.settings]
    assert {"sd-turbo", "sdxl-turbo", "flux.1-schnell"} <= {entry.name for entry in recommended}
    for entry in recommended:
        ImageRequest.parse({"prompt": "a boat", **entry.settings})


def test_weights_that_ship_in_the_repository_are_the_pinned_ones(catalog: Catalog) -> None:
    shipped = [entry for entry in catalog.entries() if entry.where.kind == "asset"]
    assert "style-magenta" in {entry.name for entry in shipped}
    for entry in shipped:
        assert catalog.is_here(entry), entry.name
        wrong = {path for path in catalog.verify(entry) if path.split("/")[0] not in entry.needs}
        assert wrong == set(), entry.name


def test_each_task_has_at_most_one_default_and_it_comes_first(catalog: Catalog) -> None:
    for task in TASKS:
        defaults = [entry for entry in catalog.entries(task) if entry.default]
        assert len(defaults) <= 1
        assert catalog.entries(task)[: len(defaults)] == defaults


def test_an_empty_name_is_the_default(catalog: Catalog) -> None:
    assert catalog.resolve("", "text").name == "smollm2-135m-instruct"


def test_a_shipped_model_asked_for_by_its_hub_id_is_the_shipped_one(catalog: Catalog) -> None:
    assert catalog.resolve("stabilityai/sd-turbo", "image").name == "sd-turbo"


def test_a_hub_id_nobody_listed_becomes_an_entry(catalog: Catalog) -> None:
    entry = catalog.resolve("Some-One/A_model.v2", "image")
    assert entry.source == "hub:Some-One/A_model.v2@main"
    assert catalog.path(entry) == catalog.models / "Some-One--A_model.v2"
    assert catalog.hash(entry) is None


@pytest.mark.parametrize(
    "name",
    [
        "nothing-like-that",
        "../etc",
        "../../etc/passwd",
        "owner/..",
        "../name",
        "..",
        ".",
        "/etc/passwd",
        "/",
        "owner/name/more",
        "owner\\name",
        "C:\\models",
        "https://example.org/model",
        "file:///etc",
        "owner/na me",
        "owner/name\n",
        "owner/name\0",
        "owner/na..me",
        "own--er/name",
        "~/model",
        "path:/etc",
        "asset:style",
        "owner/" + "n" * 200,
        "模型",
        " ",
    ],
)
def test_nothing_else_is_a_model_and_the_sentence_names_those_there_are(catalog: Catalog, name: str) -> None:
    with pytest.raises(StudioError, match=r"(?s)There is no model named .* Choose one of smollm2-135m-instruct"):
        catalog.resolve(name, "text")


def test_a_model_of_another_task_is_refused(catalog: Catalog) -> None:
    with pytest.raises(StudioError, match="sd-turbo is a model for image, and one for text was asked for"):
        catalog.resolve("sd-turbo", "text")


@pytest.mark.parametrize("text", ["wheel:a==1/../x", "asset:../x", "asset:/x", "hub:a", "http:x", "wheel:a", "asset:"])
def test_a_source_cannot_leave_its_place(text: str) -> None:
    with pytest.raises(ValueError):
        Source.parse(text)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (92_871_040, "93 MB"), (5_160_000_000, "5.2 GB")]
)
def test_sizes_read_as_people_say_them(count: int, words: str) -> None:
    assert in_words(count) == words


# --------------------------------------------------------------------------------------- the operator's own


def test_a_folder_of_the_operator_is_found_again_by_its_name(catalog: Catalog, tmp_path: Path) -> None:
    folder = picture_model(tmp_path / "My Pictures")
    added = catalog.add(folder)
    assert (added.name, added.task) == ("my-pictures", "image")
    again = Catalog(catalog.assets, catalog.models.parent).resolve("my-pictures", "image")
    assert again == added
    assert catalog.is_ready(again)
    assert catalog.fetch(again) == folder
    assert catalog.verify(again) == {}


def test_a_gguf_file_is_a_language_model(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    entry = catalog.add(tmp_path / "tiny.gguf")
    assert entry.task == "text"
    assert catalog.is_ready(entry)
    assert catalog.path(entry) == tmp_path / "tiny.gguf"
    assert catalog.verify(entry) == {}


def test_changed_and_missing_files_are_told_apart(catalog: Catalog, tmp_path: Path) -> None:
    folder = language_model(tmp_path / "lm")
    entry = catalog.add(folder)
    (folder / "model.safetensors").write_bytes(b"others!")
    (folder / "config.json").unlink()
    assert catalog.verify(entry) == {"config.json": "missing", "model.safetensors": "changed"}
    assert not catalog.is_ready(entry)
    with pytest.raises(StudioError, match="not where the catalogue says"):
        catalog.fetch(entry)


@pytest.mark.parametrize("ending", ["bin", "pt", "pth", "ckpt", "pkl"])
def test_pickled_weights_are_refused_unopened(catalog: Catalog, tmp_path: Path, ending: str) -> None:
    for folder in (language_model(tmp_path / "l", f"w.{ending}"), picture_model(tmp_path / "p", f"w.{ending}")):
        with pytest.raises(StudioError, match=rf"only as pickled files \(\.{ending}\)"):
            catalog.add(folder)
    assert catalog.entries("text") == Catalog(ASSETS, tmp_path / "other").entries("text")


def test_pickles_beside_safetensors_are_only_left_alone(catalog: Catalog, tmp_path: Path) -> None:
    folder = language_model(tmp_path / "lm")
    (folder / "training_args.bin").write_bytes(b"pickle")
    assert "training_args.bin" not in catalog.add(folder).files


def test_a_folder_that_is_no_model_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    with pytest.raises(StudioError, match="notes is not a model that can be read"):
        catalog.add(tmp_path / "notes")
    with pytest.raises(StudioError, match="There is nothing at"):
        catalog.add(tmp_path / "nowhere")


def test_a_shipped_name_cannot_be_taken(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="already has a model named sd-turbo"):
        catalog.add(picture_model(tmp_path / "x"), name="sd-turbo")
    with pytest.raises(StudioError, match="lower-case letters"):
        catalog.add(picture_model(tmp_path / "y"), name="../y")


def test_the_hash_of_several_files_changes_with_each_of_them(catalog: Catalog, tmp_path: Path) -> None:
    folder = language_model(tmp_path / "lm")
    (folder / "more.safetensors").write_bytes(b"more")
    first = catalog.hash(catalog.add(folder))
    (folder / "more.safetensors").write_bytes(b"less")
    assert catalog.hash(catalog.add(folder)) != first


# --------------------------------------------------------------------------------------- the command line


def test_the_command_line_lists_adds_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path / "data")]
    folder = language_model(tmp_path / "lm")
    assert main(["add", str(folder), *data]) == 0
    capsys.readouterr()
    assert main(["list", "--task", "text", *data]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("NAME", "smollm2-135m", "lm"))] == [
        "NAME",
        "smollm2-135m-instruct",
        "lm",
    ]
    assert main(["verify", *data, "lm"]) == 0
    (folder / "model.safetensors").write_bytes(b"others!")
    assert main(["verify", "lm", *data]) == 1
    assert "changed: model.safetensors" in capsys.readouterr().out


def test_the_command_line_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path / "data")]
    assert main(["fetch", "nothing-like-that", *data]) == 1
    assert "There is no model named nothing-like-that" in capsys.readouterr().err
    assert main(["fetch", "some/body", *data]) == 1
    assert "add --task text or --task image" in capsys.readouterr().err


def test_the_data_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_DATA", str(tmp_path / "elsewhere"))
    assert main(["add", str(language_model(tmp_path / "lm"))]) == 0
    kept = json.loads((tmp_path / "elsewhere" / "models" / "models.json").read_text())
    assert [model["name"] for model in kept["models"]] == ["lm"]


def test_the_catalogue_brings_in_no_torch_and_no_page() -> None:
    code = (
        "import sys, studio.models; sys.exit(bool({'torch', 'gradio', 'transformers', 'diffusers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0
