"""Pictures through real diffusers pipelines of the classes people fetch, tiny and with random weights."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, PNDMScheduler
from PIL import Image

from pipelines.base import Artifact, Cancelled, Event, Preview, Progress, Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.loading import fresh_pipeline
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.previews import Budget, colours_of, fit_colours, plain_latents, straight_on
from pipelines.image.schedulers import FLOW, NOISE, fresh_scheduler
from pipelines.image.settings import call_settings, size_step
from pipelines.requests import ImageRequest
from tests.unit import tiny_diffusers
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "sd": tiny_diffusers.stable_diffusion(root / "sd"),
        "sdxl": tiny_diffusers.stable_diffusion_xl(root / "sdxl"),
        "sd3": tiny_diffusers.stable_diffusion_3(root / "sd3"),
    }


def loaded(folder: Path) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.load(folder, CPU, lambda *_: None)
    return pipeline


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, ImagePipeline]:
    return {name: loaded(folder) for name, folder in folders.items()}


@pytest.fixture
def sd(models: dict[str, ImagePipeline]) -> ImagePipeline:
    return models["sd"]


def asked(**more: object) -> ImageRequest:
    return ImageRequest.parse({"prompt": "a cat", "steps": 4, "width": 64, "height": 64, "seed": 7, **more})


def result(events: list[Event]) -> Result:
    last = events[-1]
    assert isinstance(last, Result)
    return last


def paint(pipeline: ImagePipeline, request: ImageRequest, turn: FreeTurn | None = None) -> Result:
    return result(list(pipeline.run(request, turn or FreeTurn(Path()))))


def pixels(artifact: Artifact) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(artifact.data)), np.int16)


# ------------------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3"])
def test_words_become_a_png_of_the_size_asked_for(models: dict[str, ImagePipeline], name: str) -> None:
    made = paint(models[name], asked(width=96, height=64))
    (artifact,) = made.artifacts
    assert artifact.media_type == "image/png"
    assert pixels(artifact).shape == (64, 96, 3)
    assert artifact.facts["seed"] == 7
    assert artifact.title == "a cat"
    assert made.facts["pipeline"] == type(models[name]._pipe).__name__
    assert float(made.facts["seconds"]) > 0


@pytest.mark.parametrize(("name", "together"), [("sd", 1), ("sd", 3), ("sdxl", 2), ("sd3", 3)])
def test_a_picture_in_a_batch_equals_the_same_seed_alone(folders: dict[str, Path], name: str, together: int) -> None:
    pipeline = loaded(folders[name])
    pipeline.together = together
    batch = paint(pipeline, asked(steps=3, count=3, scheduler="" if name == "sd3" else "euler a"))
    assert [artifact.facts["seed"] for artifact in batch.artifacts] == [7, 8, 9]
    for artifact in batch.artifacts:
        alone = paint(
            pipeline, asked(steps=3, seed=artifact.facts["seed"], scheduler="" if name == "sd3" else "euler a")
        )
        assert np.abs(pixels(alone.artifacts[0]) - pixels(artifact)).max() <= 1
    assert np.abs(pixels(batch.artifacts[0]) - pixels(batch.artifacts[1])).max() > 1


def test_every_setting_that_shapes_the_picture_shapes_it(sd: ImagePipeline) -> None:
    plain = pixels(paint(sd, asked()).artifacts[0])
    for change in (
        {"prompt": "zzz"},
        {"negative_prompt": "dog"},
        {"steps": 5},
        {"guidance": 9},
        {"seed": 8},
        {"scheduler": "euler"},
    ):
        assert np.abs(pixels(paint(sd, asked(**change)).artifacts[0]) - plain).max() > 0, change


def test_a_run_leaves_nothing_behind_for_the_next(sd: ImagePipeline) -> None:
    first = paint(sd, asked()).artifacts[0].data
    paint(sd, asked(scheduler="heun", steps=6, width=128))
    assert paint(sd, asked()).artifacts[0].data == first


def test_two_runs_interleaved_step_by_step_give_what_each_gives_alone(sd: ImagePipeline) -> None:
    wanted = [paint(sd, asked(seed=seed, steps=3 + seed)).artifacts[0].data for seed in (1, 2)]
    runs = [sd.run(asked(seed=seed, steps=3 + seed), FreeTurn(Path())) for seed in (1, 2)]
    ends: list[Event | None] = [None, None]
    while runs[0] is not None or runs[1] is not None:
        for place, run in enumerate(runs):
            event = next(run, None) if run is not None else None
            if event is None:
                runs[place] = None
            else:
                ends[place] = event
    assert [result([end]).artifacts[0].data for end in ends] == wanted


def test_a_fresh_seed_is_told(sd: ImagePipeline) -> None:
    made = paint(sd, asked(seed=-1))
    again = paint(sd, asked(seed=made.facts["seed"]))
    assert again.artifacts[0].data == made.artifacts[0].data


def test_seeds_wrap_around_so_that_each_can_be_asked_for(sd: ImagePipeline) -> None:
    made = paint(sd, asked(seed=2**32 - 1, count=2))
    assert [artifact.facts["seed"] for artifact in made.artifacts] == [2**32 - 1, 0]


# -------------------------------------------------------------------------------------- cancel, finish, previews


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3"])
def test_a_cancel_at_any_checkpoint_ends_at_once_and_the_model_stays_usable(
    models: dict[str, ImagePipeline], name: str
) -> None:
    counting = FreeTurn(Path())
    wanted = paint(models[name], asked(), counting).artifacts[0].data
    assert counting.checkpoints >= 4 + 2  # before the first step, after each, and after the decoding
    for when in range(1, counting.checkpoints + 1):
        turn = FreeTurn(Path(), cancel_after=when)
        with pytest.raises(Cancelled):
            list(models[name].run(asked(), turn))
        assert turn.checkpoints == when
    assert paint(models[name], asked()).artifacts[0].data == wanted


def test_a_reader_who_leaves_ends_the_run(sd: ImagePipeline) -> None:
    turn = FreeTurn(Path())
    events = sd.run(asked(steps=50), turn)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert turn.checkpoints <= 3


@pytest.mark.parametrize("name", ["sd", "sd3"])
def test_ending_early_keeps_what_is_there(models: dict[str, ImagePipeline], name: str) -> None:
    turn = FreeTurn(Path(), finish_after=4)
    made = paint(models[name], asked(steps=20), turn)
    assert len(made.artifacts) == 1
    assert str(made.facts["ended_early"]).startswith("after 3 of 2")
    assert turn.checkpoints == 1 + 3 + 1


def test_of_several_pictures_the_one_under_way_is_made_whole_and_is_the_last(sd: ImagePipeline) -> None:
    whole = paint(sd, asked(count=4, seed=5))
    made = paint(sd, asked(count=4, seed=5), FreeTurn(Path(), finish_after=7))
    assert 0 < len(made.artifacts) < 4
    assert [one.data for one in made.artifacts] == [one.data for one in whole.artifacts[: len(made.artifacts)]]


def test_previews_come_while_denoising_and_look_like_pictures(sd: ImagePipeline) -> None:
    events = list(sd.run(asked(steps=16, width=128), FreeTurn(Path())))
    previews = [event for event in events if isinstance(event, Preview)]
    assert previews
    for preview in previews:
        assert 0 < preview.step < preview.total
        picture = Image.open(io.BytesIO(preview.picture.data))
        assert picture.format == "WEBP"
        assert picture.size == (preview.picture.width, preview.picture.height)
        assert picture.width == 2 * picture.height
    steps = [event.done for event in events if isinstance(event, Progress) and event.stage == "denoising"]
    assert steps == list(range(1, len(steps) + 1))
    assert events[-2] == Progress("decoding")


def test_previews_are_drawn_while_the_device_is_lent_out(sd: ImagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(FreeTurn):
        lent = 0

        @contextmanager
        def aside(self) -> Iterator[None]:
            self.lent += 1
            yield

    turn = Watched(Path())
    previews = [event for event in sd.run(asked(steps=16), turn) if isinstance(event, Preview)]
    assert turn.lent == len(previews) + 1  # and once more for the PNG


def test_previews_take_at_most_a_twentieth_of_the_time() -> None:
    budget = Budget()
    for step in range(1, 101):
        budget.denoising += 0.1
        if budget.due(step, 100):
            budget.spent(0.2)
    assert 1 < budget.shown <= 3
    assert budget.previews <= 0.05 * budget.denoising + 0.2


class PlainDecoder(torch.nn.Module):
    """A decoder that is what the previews take one for: a colour at each place, drawn eight times as large."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"latent_channels": 16, "scaling_factor": 0.36, "shift_factor": 0.12}
        self.colours = torch.nn.Conv2d(16, 3, 1)
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def decode(self, latents: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
        return (torch.nn.functional.interpolate(self.colours(latents), scale_factor=8),)


def test_colours_of_an_unknown_decoder_are_found_from_what_it_paints() -> None:
    torch.manual_seed(1)
    decoder = PlainDecoder()
    colours = colours_of(decoder)
    assert colours is not None
    latents = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        wanted = (decoder.colours(latents / 0.36 + 0.12) / 2 + 0.5).numpy()
    found = np.einsum("rc,nchw->nrhw", colours.weights, latents.numpy()) + colours.bias[:, None, None]
    assert np.abs(found - wanted).max() < 1e-3


def test_colours_are_fitted_through_a_real_autoencoder_too(models: dict[str, ImagePipeline]) -> None:
    colours = fit_colours(models["sd3"]._pipe.vae)
    assert colours.weights.shape == (3, 16)
    assert np.isfinite(colours.weights).all()
    previews = [event for event in models["sd3"].run(asked(steps=8), FreeTurn(Path())) if isinstance(event, Preview)]
    assert previews


def test_a_flow_is_shown_as_where_it_leads_and_not_with_its_noise() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(4)
    picture, noise = torch.full((1, 1, 2, 2), 5.0), torch.randn(1, 1, 2, 2)
    steps = [float(sigma) * noise + (1 - float(sigma)) * picture for sigma in scheduler.sigmas]
    for index in range(4):
        assert torch.allclose(straight_on(scheduler, steps[index], steps[index + 1], index), picture, atol=1e-4)
    assert straight_on(scheduler, None, noise, 0) is noise
    assert straight_on(PNDMScheduler(), noise, picture, 0) is picture


def test_the_autoencoders_of_stable_diffusion_have_known_colours() -> None:
    white = colours_of(tiny_diffusers.vae(scaling=0.13025))
    assert white is not None
    assert white.weights.shape == (3, 4)
    assert colours_of(None) is None


def test_packed_latents_are_unpacked_for_a_preview(tmp_path: Path) -> None:
    pipe = tiny_diffusers.flux(tmp_path)
    plain = plain_latents(pipe, torch.zeros(2, 4 * 6, 16), height=64, width=96)
    assert plain is not None
    assert plain.shape == (2, 4, 8, 12)


# ---------------------------------------------------------------------------------------------- what is refused


def test_a_size_the_model_cannot_make_is_a_sentence_with_one_it_can(models: dict[str, ImagePipeline]) -> None:
    assert size_step(models["sd"]._pipe) == 8
    assert size_step(models["sd3"]._pipe) == 16
    with pytest.raises(StudioError, match=r"must be multiples of 16; you gave 72 x 64\. 64 x 64 would do"):
        paint(models["sd3"], asked(width=72))


def test_packed_models_need_sizes_of_sixteen(tmp_path: Path) -> None:
    assert size_step(tiny_diffusers.flux(tmp_path)) == 16


def test_every_scheduler_of_the_menu_gives_a_picture_with_a_noise_model(sd: ImagePipeline) -> None:
    for name in NOISE:
        assert len(paint(sd, asked(scheduler=name, steps=3)).artifacts) == 1


def test_a_flow_model_takes_the_schedulers_that_fit_and_names_them_otherwise(models: dict[str, ImagePipeline]) -> None:
    for name in FLOW:
        assert len(paint(models["sd3"], asked(scheduler=name, steps=3)).artifacts) == 1
    with pytest.raises(StudioError, match=r"does not work with the scheduler ddim: it predicts a flow\. Choose euler"):
        paint(models["sd3"], asked(scheduler="ddim"))


def test_the_shift_of_a_flow_model_is_kept_in_every_scheduler(models: dict[str, ImagePipeline]) -> None:
    own = models["sd3"]._pipe.scheduler
    assert fresh_scheduler(own, "euler", 4).config.shift == 3.0
    assert fresh_scheduler(own, "dpm++ 2m", 4).config.flow_shift == 3.0


def test_more_steps_than_a_scheduler_has_is_a_sentence(sd: ImagePipeline) -> None:
    with pytest.raises(StudioError, match="at most 50 steps with this model; you asked for 51"):
        paint(sd, asked(scheduler="lcm", steps=51))


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"has no model_index\.json"):
        loaded(tmp_path)
    (tmp_path / "model_index.json").write_text("[")
    with pytest.raises(StudioError, match="cannot be read"):
        loaded(tmp_path)
    with pytest.raises(StudioError, match="no picture model"):
        ImagePipeline().load(None, CPU, lambda *_: None)


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["sd"], tmp_path / "copy"))


def test_pickled_weights_are_refused_unopened(copy: Path) -> None:
    weights = next((copy / "unet").glob("*.safetensors"))
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(StudioError, match="copy holds weights only as pickled files"):
        loaded(copy)


def test_a_pipeline_that_brings_code_is_refused(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"unet": ["my_unet", "MyUNet"]}))
    with pytest.raises(StudioError, match=r"brings its own code \(my_unet\)"):
        loaded(copy)
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "unet" / "diffusers.py").write_text("raise SystemExit")
    with pytest.raises(StudioError, match=r"brings its own code \(unet/diffusers\.py\)"):
        loaded(copy)


def test_a_pipeline_of_another_kind_is_refused(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableVideoDiffusionPipeline"}))
    with pytest.raises(StudioError, match="is a StableVideoDiffusionPipeline, which does not make pictures from words"):
        loaded(copy)


def test_the_weights_of_a_picture_to_picture_pipeline_serve_words_too(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionImg2ImgPipeline"}))
    assert paint(loaded(copy), asked()).facts["pipeline"] == "StableDiffusionPipeline"


def test_a_damaged_part_is_a_sentence(copy: Path) -> None:
    weights = next((copy / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(StudioError, match="parts missing or damaged"):
        loaded(copy)


def test_half_precision_copies_are_found_where_there_are_no_others(copy: Path, sd: ImagePipeline) -> None:
    for weights in copy.glob("*/*.safetensors"):
        weights.rename(weights.with_suffix(".fp16.safetensors"))
    assert paint(loaded(copy), asked()).artifacts[0].data == paint(sd, asked()).artifacts[0].data


def test_numbers_that_run_over_are_a_sentence_and_not_a_black_picture(copy: Path) -> None:
    pipeline = loaded(copy)
    with torch.no_grad():
        pipeline._pipe.unet.conv_out.bias.fill_(float("inf"))
    with pytest.raises(StudioError, match="numbers ran over in float32"):
        paint(pipeline, asked())


# ------------------------------------------------------------------------------------------------ what is told


def test_a_negative_prompt_that_is_not_used_says_so(sd: ImagePipeline) -> None:
    assert paint(sd, asked(negative_prompt="dog")).facts["negative_prompt"] == "used"
    unused = paint(sd, asked(negative_prompt="dog", guidance=1)).facts["negative_prompt"]
    assert unused == "not used: it needs a guidance above 1"
    assert "negative_prompt" not in paint(sd, asked()).facts


def test_a_prompt_that_was_cut_says_where(sd: ImagePipeline) -> None:
    assert "prompt" not in paint(sd, asked()).facts
    cut = paint(sd, asked(prompt="a " * 100)).facts["prompt"]
    assert cut == "only the first 77 of 102 tokens were read"


def test_the_second_guidance_of_flux_is_taken_only_for_a_negative_prompt(tmp_path: Path) -> None:
    pipe = tiny_diffusers.flux(tmp_path)
    plain = call_settings(pipe, asked(guidance=4))
    assert plain["guidance_scale"] == 4
    assert plain["true_cfg_scale"] == 1
    negative = call_settings(pipe, asked(guidance=4, negative_prompt="dog"))
    assert negative["true_cfg_scale"] == 4
    assert negative["negative_prompt"] == "dog"


def test_settings_of_the_model_that_are_no_parts_go_along(models: dict[str, ImagePipeline]) -> None:
    pipe = models["sdxl"]._pipe
    assert pipe.config.force_zeros_for_empty_prompt is False
    fresh = fresh_pipeline(pipe, fresh_scheduler(pipe.scheduler, "", 4))
    assert fresh.config.force_zeros_for_empty_prompt is False
    assert fresh.unet is pipe.unet
    assert fresh.scheduler is not pipe.scheduler


def test_bytes_are_measured_and_dropped(folders: dict[str, Path]) -> None:
    pipeline = loaded(folders["sd"])
    on_disk = sum(file.stat().st_size for file in folders["sd"].rglob("*.safetensors"))
    assert pipeline.bytes_held() == pytest.approx(on_disk, rel=0.1)
    pipeline.unload()
    assert pipeline.bytes_held() == 0
