"""Stickers that begin from a picture, through their own sampler: how much is kept, where, and with which schedulers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.base import Artifact, Cancelled, Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import ImageRequest
from pipelines.image.schedulers import FLOW
from pipelines.sticker.beginning import anew_of, latents_of, steps_left
from pipelines.sticker.drawings import LARGE
from tests.stickers import tiny_stickers
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)
SOURCE, MASK = "a" * 64, "b" * 64


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def stickers(tmp_path_factory: pytest.TempPathFactory) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.load(tiny_stickers(tmp_path_factory.mktemp("stickers") / "tiny"), CPU, lambda *_: None)
    return pipeline


def as_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def files() -> dict[str, bytes]:
    noise = np.random.default_rng(3).integers(0, 255, (LARGE, LARGE, 4), np.uint8)
    mask = Image.new("L", (LARGE, LARGE))
    mask.paste(255, (0, 0, LARGE // 2, LARGE))
    return {SOURCE: as_png(Image.fromarray(noise)), MASK: as_png(mask)}


def asked(method: str, **more: object) -> ImageRequest:
    settings = {"prompt": "a cat", "steps": 6, "width": LARGE, "height": LARGE, "seed": 7}
    return ImageRequest.parse({**settings, "method": method, "source": SOURCE, "mask": MASK, **more})


def paint(pipeline: ImagePipeline, request: ImageRequest, turn: FreeTurn | None = None) -> Result:
    last = list(pipeline.run(request, turn or FreeTurn(Path(), files())))[-1]
    assert isinstance(last, Result)
    return last


def pixels(artifact: Artifact) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(artifact.data)), np.int16)


def test_a_variation_is_a_sticker_and_each_seed_gives_another(stickers: ImagePipeline) -> None:
    made = paint(stickers, asked("picture", count=3)).artifacts
    assert [pixels(one).shape for one in made] == [(LARGE, LARGE, 4)] * 3
    assert np.abs(pixels(made[0]) - pixels(made[1])).max() > 1
    alone = paint(stickers, asked("picture", seed=made[1].facts["seed"])).artifacts[0]
    assert np.abs(pixels(alone) - pixels(made[1])).max() <= 1


def test_without_words_there_are_variations_too(stickers: ImagePipeline) -> None:
    made = paint(stickers, asked("picture", prompt=""))
    assert made.artifacts[0].title == "variation"
    with pytest.raises(StudioError, match="The prompt is empty"):
        asked("words", prompt=" ")


@pytest.mark.parametrize("scheduler", FLOW)
def test_the_less_is_changed_the_nearer_are_the_latents_to_the_picture(stickers: ImagePipeline, scheduler: str) -> None:
    pipe = stickers._pipe
    picture = Image.open(io.BytesIO(files()[SOURCE]))
    clean = latents_of(pipe.vae, picture)
    away = []
    for strength in (0.17, 0.5, 1.0):
        from pipelines.image.loading import fresh_pipeline
        from pipelines.image.schedulers import fresh_scheduler

        fresh = fresh_pipeline(pipe, fresh_scheduler(pipe.scheduler, scheduler, 12))
        found = fresh(
            "a cat", image=picture, strength=strength, num_inference_steps=12, output_type="latent",
            generator=torch.Generator().manual_seed(1),
        ).images  # fmt: skip
        assert torch.isfinite(found).all()
        away.append(float((found - clean).square().mean()))
    assert away[0] < away[1] < away[2]


def test_what_was_not_painted_over_stays_to_the_bit(stickers: ImagePipeline) -> None:
    made = pixels(paint(stickers, asked("paint", feather=0)).artifacts[0])
    source = np.asarray(Image.open(io.BytesIO(files()[SOURCE])), np.int16)
    assert (made[:, LARGE // 2 :] == source[:, LARGE // 2 :]).all()
    assert np.abs(made[:, : LARGE // 2] - source[:, : LARGE // 2]).max() > 1


def test_what_is_kept_is_on_its_own_way_at_each_step(stickers: ImagePipeline) -> None:
    pipe = stickers._pipe
    picture, mask = (Image.open(io.BytesIO(files()[name])) for name in (SOURCE, MASK))
    found = pipe("a cat", image=picture, mask_image=mask, num_inference_steps=5, output_type="latent").images
    clean = latents_of(pipe.vae, picture)
    assert torch.allclose(found[..., 4:], clean[..., 4:], atol=1e-5)
    assert not torch.allclose(found[..., :4], clean[..., :4], atol=1e-2)


def test_half_a_place_painted_makes_all_of_it_anew() -> None:
    mask = Image.new("L", (16, 16))
    mask.paste(255, (0, 0, 1, 16))
    assert anew_of(mask, 8)[0, 0, 0].tolist() == [1.0, *[0.0] * 7]


def test_one_step_at_least_is_taken() -> None:
    assert [steps_left(None, 10, strength) for strength in (0.01, 0.3, 1.0)] == [9, 7, 0]


def test_a_cancel_at_any_checkpoint_ends_at_once(stickers: ImagePipeline) -> None:
    counting = FreeTurn(Path(), files())
    paint(stickers, asked("paint"), counting)
    for when in range(1, counting.checkpoints + 1):
        turn = FreeTurn(Path(), files(), cancel_after=when)
        with pytest.raises(Cancelled):
            list(stickers.run(asked("paint"), turn))
        assert turn.checkpoints == when


def test_stickers_are_not_extended_and_the_sentence_says_what_they_can(stickers: ImagePipeline) -> None:
    with pytest.raises(StudioError, match="by the method extend; it can by words, picture, paint"):
        paint(stickers, asked("extend", extend_left=64))
