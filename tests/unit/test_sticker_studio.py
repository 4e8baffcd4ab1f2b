"""A sticker model in the studio: opened, asked, previewed and stopped like any picture model, on tiny real networks."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.base import Artifact, Cancelled, Event, Preview, Progress, Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.schedulers import FLOW
from pipelines.requests import ImageRequest
from pipelines.sticker.drawings import LARGE, STYLES
from pipelines.sticker.loading import open_stickers
from tests.stickers import tiny_stickers
from tests.unit import tiny_diffusers
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stickers(tmp_path_factory.mktemp("stickers") / "tiny")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The model and its text encoder, in two folders."""
    root = tmp_path_factory.mktemp("shared")
    return tiny_stickers(root / "tiny", root / "encoder"), root / "encoder"


def loaded(folder: Path, device: Device = CPU, **parts: Path) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.parts = parts
    pipeline.load(folder, device, lambda *_: None)
    return pipeline


@pytest.fixture(scope="module")
def stickers(whole: Path) -> ImagePipeline:
    return loaded(whole)


def asked(prompt: str = "a happy cat", **more: object) -> ImageRequest:
    return ImageRequest.parse({"prompt": prompt, "steps": 4, "width": LARGE, "height": LARGE, "seed": 7, **more})


def paint(pipeline: ImagePipeline, request: ImageRequest, turn: FreeTurn | None = None) -> Result:
    last = list(pipeline.run(request, turn or FreeTurn(Path())))[-1]
    assert isinstance(last, Result)
    return last


def pixels(artifact: Artifact) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(artifact.data)), np.int16)


# ------------------------------------------------------------------------------------------------ opening


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_opens_in_the_devices_format_and_keeps_its_statistics_exact(whole: Path, dtype: str) -> None:
    pipe = open_stickers(whole, whole / "text_encoder", torch.device("cpu"), getattr(torch, dtype))
    assert {pipe.transformer.dtype, pipe.vae.dtype, pipe.upscaler.dtype, pipe.text_encoder.dtype} == {
        getattr(torch, dtype)
    }
    assert {buffer.dtype for buffer in pipe.vae.norm.buffers()} == {torch.float32, torch.int64}
    assert pipe("a cat", num_inference_steps=2).images[0].size == (LARGE, LARGE)
    assert torch.isfinite(pipe.vae.encode(torch.zeros(1, 4, 64, 64, dtype=getattr(torch, dtype)))).all()


def test_an_encoder_of_another_folder_makes_the_same_stickers(
    stickers: ImagePipeline, shared: tuple[Path, Path]
) -> None:
    folder, encoder = shared
    apart = loaded(folder, text_encoder=encoder)
    assert paint(apart, asked()).artifacts[0].data == paint(stickers, asked()).artifacts[0].data


def test_a_half_precision_device_makes_stickers_too(whole: Path) -> None:
    made = paint(loaded(whole, Device("cpu", "test", "bfloat16", "a test", 0, 1)), asked())
    assert pixels(made.artifacts[0]).shape == (LARGE, LARGE, 4)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


@pytest.mark.parametrize("part", ["tokenizer", "text_encoder", "transformer", "vae", "upscaler", "scheduler"])
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    shutil.rmtree(copy / part)
    with pytest.raises(StudioError, match=f"The {part} of the sticker model copy is missing or damaged"):
        loaded(copy)


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae", "upscaler"])
def test_a_weight_that_is_missing_is_not_made_up(copy: Path, part: str) -> None:
    from safetensors.torch import load_file, save_file

    file = next((copy / part).glob("*.safetensors"))
    weights = load_file(file)
    save_file(dict(list(weights.items())[1:]), file, {"format": "pt"})
    with pytest.raises(StudioError, match=f"The {part} of the sticker model copy is missing or damaged"):
        loaded(copy)


def test_a_file_that_is_cut_short_is_named(copy: Path) -> None:
    weights = next((copy / "transformer").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(StudioError, match="The transformer of the sticker model"):
        loaded(copy)


def test_pickled_weights_are_refused_unopened(copy: Path) -> None:
    weights = next((copy / "vae").glob("*.safetensors"))
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(StudioError, match="copy holds weights only as pickled files"):
        loaded(copy)


def test_names_of_classes_in_the_folder_are_never_followed(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"transformer": ["os", "system"]}))
    config = json.loads((copy / "text_encoder" / "config.json").read_text())
    (copy / "text_encoder" / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Evil"}}))
    (copy / "text_encoder" / "evil.py").write_text("raise SystemExit")
    assert len(paint(loaded(copy), asked()).artifacts) == 1


# ------------------------------------------------------------------------------------------------ stickers


def test_words_become_stickers_with_a_transparent_background(stickers: ImagePipeline) -> None:
    made = paint(stickers, asked(count=4))
    assert [artifact.facts["seed"] for artifact in made.artifacts] == [7, 8, 9, 10]
    for artifact in made.artifacts:
        picture = Image.open(io.BytesIO(artifact.data))
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (LARGE, LARGE))
        low, high = picture.getchannel("A").getextrema()
        assert low < high
    assert made.facts["pipeline"] == "StickerPipeline"


def test_a_sticker_made_with_others_equals_the_same_seed_alone(stickers: ImagePipeline) -> None:
    assert stickers.together == 4
    batch = paint(stickers, asked(count=6))
    for artifact in batch.artifacts:
        alone = paint(stickers, asked(seed=artifact.facts["seed"])).artifacts[0]
        assert np.abs(pixels(alone) - pixels(artifact)).max() <= 1
    assert np.abs(pixels(batch.artifacts[0]) - pixels(batch.artifacts[1])).max() > 1


def test_every_setting_that_shapes_a_sticker_shapes_it(stickers: ImagePipeline) -> None:
    plain = pixels(paint(stickers, asked()).artifacts[0])
    for change in (
        {"prompt": "zzz"},
        {"negative_prompt": "dog"},
        {"steps": 5},
        {"guidance": 9},
        {"seed": 8},
        {"style": "noto"},
        {"scheduler": "heun"},
    ):
        assert np.abs(pixels(paint(stickers, asked(**change)).artifacts[0]) - plain).max() > 0, change


def test_every_scheduler_for_flows_makes_stickers(stickers: ImagePipeline) -> None:
    for name in FLOW:
        assert len(paint(stickers, asked(scheduler=name, steps=3)).artifacts) == 1


def test_another_size_is_a_sentence(stickers: ImagePipeline) -> None:
    with pytest.raises(StudioError, match="Stickers are 256 x 256 pixels; you asked for 512 x 72"):
        paint(stickers, asked(width=512, height=72))


def test_a_run_leaves_nothing_behind_for_the_next(stickers: ImagePipeline) -> None:
    first = paint(stickers, asked()).artifacts[0].data
    paint(stickers, asked("dogs", scheduler="heun", steps=6, count=3, guidance=1))
    assert paint(stickers, asked()).artifacts[0].data == first


# ------------------------------------------------------------------------------------------- how words are read


def test_the_styles_of_a_request_are_those_of_the_model() -> None:
    assert get_args(ImageRequest.model_fields["style"].annotation) == ("", *STYLES)


def test_chinese_is_read_as_the_english_it_means_and_the_recipe_says_so(stickers: ImagePipeline) -> None:
    made = paint(stickers, asked("红色的苹果"))
    assert made.facts["english"] == "red apple"
    assert "unknown" not in made.facts
    assert made.artifacts[0].title == "红色的苹果"
    assert made.artifacts[0].data == paint(stickers, asked("red apple")).artifacts[0].data
    assert "english" not in paint(stickers, asked("red apple")).facts


def test_words_it_does_not_know_are_told(stickers: ImagePipeline) -> None:
    made = paint(stickers, asked("红色的苹果和饕餮", negative_prompt="魑魅, 苹果"))
    assert made.facts["unknown"] == "饕餮, 魑魅"
    with pytest.raises(StudioError, match="knows none of this"):
        paint(stickers, asked("饕餮"))


def test_a_style_that_is_written_is_drawn_and_one_that_was_chosen_wins(stickers: ImagePipeline) -> None:
    written = paint(stickers, asked("a cat, glossy"))
    assert (written.facts["english"], written.facts["drawn"]) == ("a cat", "glossy")
    chosen = paint(stickers, asked("a cat", style="glossy"))
    assert written.artifacts[0].data == chosen.artifacts[0].data
    both = paint(stickers, asked("a cat, glossy", style="flat"))
    assert both.artifacts[0].data == paint(stickers, asked("a cat", style="flat")).artifacts[0].data
    assert "drawn" not in both.facts


def test_a_style_for_a_model_that_has_none_is_a_sentence(tmp_path: Path) -> None:
    other = loaded(tiny_diffusers.stable_diffusion(tmp_path / "sd"))
    request = ImageRequest.parse({"prompt": "a", "steps": 1, "width": 64, "height": 64, "style": "flat"})
    with pytest.raises(StudioError, match="This model has no drawing styles, and flat was asked for"):
        paint(other, request)


def test_a_long_prompt_says_how_much_of_it_was_read(stickers: ImagePipeline) -> None:
    assert "prompt" not in paint(stickers, asked()).facts
    assert paint(stickers, asked("a " * 100)).facts["prompt"] == "only the first 32 of 102 tokens were read"


# -------------------------------------------------------------------------------------- cancel, finish, previews


def test_a_cancel_at_any_step_ends_at_once_and_the_model_stays_usable(stickers: ImagePipeline) -> None:
    counting = FreeTurn(Path())
    wanted = paint(stickers, asked(count=2), counting).artifacts[0].data
    assert counting.checkpoints == 4 + 2  # before the first step, after each, and after the decoding
    for when in range(1, counting.checkpoints + 1):
        turn = FreeTurn(Path(), cancel_after=when)
        with pytest.raises(Cancelled):
            list(stickers.run(asked(count=2), turn))
        assert turn.checkpoints == when
    assert paint(stickers, asked(count=2)).artifacts[0].data == wanted


def test_ending_early_keeps_what_is_there(stickers: ImagePipeline) -> None:
    turn = FreeTurn(Path(), finish_after=4)
    made = paint(stickers, asked(steps=20, count=2), turn)
    assert len(made.artifacts) == 2
    assert made.facts["ended_early"] == "after 3 of 20 steps"


def test_previews_are_what_the_decoder_draws_transparent_too_and_lie_side_by_side(stickers: ImagePipeline) -> None:
    events: list[Event] = list(stickers.run(asked(steps=16, count=4), FreeTurn(Path())))
    previews = [event for event in events if isinstance(event, Preview)]
    assert previews
    for preview in previews:
        picture = Image.open(io.BytesIO(preview.picture.data))
        assert (picture.format, picture.mode) == ("WEBP", "RGBA")
        assert picture.width == picture.height == 128
    steps = [event.done for event in events if isinstance(event, Progress) and event.stage == "denoising"]
    assert steps == list(range(1, 17))
