"""What only a GPU can show; skipped, with a word, where there is none. Run on a machine with one: pytest tests/gpu."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipelines.devices import pick_device
from pipelines.requests import TrainingRequest
from tests.studios import OWNER, endless_training, follow, open_in, small_training, wait_for, wait_state

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine")


def test_the_gpu_is_picked_and_the_reason_says_so() -> None:
    device = pick_device()
    assert device.kind == "cuda"
    assert "GPU" in device.reason


def test_a_training_runs_on_the_gpu_and_its_memory_comes_back(tmp_path: Path) -> None:
    studio = open_in(tmp_path, "inline")
    before = torch.cuda.memory_allocated()
    job = studio.jobs.submit(OWNER, "training", small_training(width=32, batch=64))
    follow(studio, job)
    assert studio.jobs.get(OWNER, job.id).state == "done"
    wait_for(lambda: torch.cuda.memory_allocated() <= before)
    studio.close()


def test_a_cancel_frees_the_gpu(tmp_path: Path) -> None:
    studio = open_in(tmp_path, "inline")
    before = torch.cuda.memory_allocated()
    job = studio.jobs.submit(OWNER, "training", endless_training(width=64, batch=128))
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    assert torch.cuda.memory_allocated() > before
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")
    wait_for(lambda: torch.cuda.memory_allocated() <= before)
    studio.close()


def test_a_photo_is_painted_the_same_on_the_gpu_as_on_the_cpu(tmp_path: Path) -> None:
    import io

    import numpy as np
    from PIL import Image

    photo = next((Path(__file__).resolve().parents[2] / "assets" / "examples").glob("*.jpg")).read_bytes()
    painted = []
    for kind in ("cuda", "cpu"):
        studio = open_in(tmp_path / kind, "inline", device=kind)
        digest = studio.library.keep_upload(OWNER, photo)
        job = studio.jobs.submit(OWNER, "style", {"photo": digest, "style": "amber-morning"})
        follow(studio, job)
        (item,) = studio.library.of_job(OWNER, job.id)
        with Image.open(io.BytesIO(studio.library.blobs.read(item.digest))) as picture:
            painted.append(np.asarray(picture.convert("RGB"), dtype=np.float32) / 255)
        studio.close()
    assert np.abs(painted[0] - painted[1]).mean() < 0.01


def test_compiled_networks_learn_on_the_gpu_and_a_trial_says_what_they_save() -> None:
    from pipelines.training.compiling import trial
    from pipelines.training.data import load_dataset

    found = trial(TrainingRequest(seconds=60), pick_device("cuda"), load_dataset("fashion-mnist"))
    assert 0 < found.compiled < found.written, f"{found.delay:.1f} s to compile, for slower steps"


@pytest.mark.parametrize("offload", ["parts", "layers"])
def test_an_offloaded_model_paints_the_same_and_leaves_the_memory_free(tmp_path: Path, offload: str) -> None:
    import io
    from dataclasses import replace

    import numpy as np
    from PIL import Image

    from pipelines.base import Result
    from pipelines.image.pipeline import ImagePipeline
    from pipelines.image.request import ImageRequest
    from tests.unit import tiny_diffusers
    from tests.unit.turns import FreeTurn

    folder = tiny_diffusers.stable_diffusion_3(tmp_path / "sd3")
    request = ImageRequest.parse({"prompt": "a cat", "steps": 3, "width": 64, "height": 64, "seed": 1})
    painted = []
    for chosen in ("none", offload):
        pipeline = ImagePipeline()
        pipeline.load(folder, replace(pick_device("cuda"), offload=chosen), lambda *_: None)
        last = list(pipeline.run(request, FreeTurn(tmp_path)))[-1]
        assert isinstance(last, Result)
        painted.append(np.asarray(Image.open(io.BytesIO(last.artifacts[0].data)), np.int16))
        held = pipeline.bytes_held()
    assert np.abs(painted[0] - painted[1]).max() <= 2
    assert held < 1_000_000
