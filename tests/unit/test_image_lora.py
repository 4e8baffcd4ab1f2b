"""LoRA laid over real tiny models: what they change, that nobody else sees it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save

from pipelines.base import Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import ImageRequest
from tests.stickers import tiny_stickers
from tests.unit import tiny_diffusers
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)
ONE, TWO, PICKLE, WHOLE, OTHER = ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64)


def lora_of(folder: Path, target: str, seed: int) -> bytes:
    """A LoRA file for the U-Net in ``folder``, random, as ``save_lora_weights`` of diffusers names its tensors."""
    torch.manual_seed(seed)
    unet = StableDiffusionPipeline.from_pretrained(folder).unet
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, init_lora_weights="gaussian", target_modules=[target]))
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=1.0)
    tensors = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    return save({f"unet.{name}": tensor.contiguous() for name, tensor in tensors.items()})


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImagePipeline, dict[str, bytes]]:
    folder = tiny_diffusers.stable_diffusion(tmp_path_factory.mktemp("models") / "sd")
    pipeline = ImagePipeline()
    pipeline.load(folder, CPU, lambda *_: None)
    other = {"unet.down_blocks.9.attn.to_q.lora_A.weight": torch.zeros(2, 7)}
    files = {ONE: lora_of(folder, "to_q", 1), TWO: lora_of(folder, "to_v", 2), PICKLE: b"\x80\x04hello"}
    return pipeline, files | {WHOLE: save({"unet.weight": torch.zeros(2)}), OTHER: save(other)}


def paint(model: tuple[ImagePipeline, dict[str, bytes]], *loras: tuple[str, float]) -> bytes:
    settings = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 7}
    request = ImageRequest.parse({**settings, "loras": [{"file": file, "weight": weight} for file, weight in loras]})
    last = list(model[0].run(request, FreeTurn(Path(), model[1])))[-1]
    assert isinstance(last, Result)
    return last.artifacts[0].data


def test_each_lora_and_each_weight_gives_another_picture(sd: tuple[ImagePipeline, dict[str, bytes]]) -> None:
    made = [paint(sd), paint(sd, (ONE, 1)), paint(sd, (ONE, 0.5)), paint(sd, (TWO, 1)), paint(sd, (ONE, 1), (TWO, -1))]
    assert len(set(made)) == len(made)
    assert paint(sd, (ONE, 0)) == made[0]
    assert paint(sd, (ONE, 1), (TWO, 0)) == made[1]


def test_the_model_itself_is_never_changed_nor_copied(sd: tuple[ImagePipeline, dict[str, bytes]]) -> None:
    before = paint(sd)
    held = sd[0].bytes_held()
    paint(sd, (ONE, 1))
    assert paint(sd) == before
    own = sd[0]._pipe.unet
    laid = next(iter(sd[0]._loras._ready.values())).unet
    ours = {tensor.data_ptr() for tensor in own.parameters()}
    assert ours <= {tensor.data_ptr() for tensor in laid.parameters()}
    assert sd[0].bytes_held() - held < 0.1 * held


def test_only_the_sets_used_last_stay_ready(sd: tuple[ImagePipeline, dict[str, bytes]]) -> None:
    for weight in (0.1, 0.2, 0.3):
        paint(sd, (ONE, weight))
    assert list(sd[0]._loras._ready) == [((ONE, 0.2),), ((ONE, 0.3),)]


def test_what_is_no_lora_or_does_not_fit_is_a_sentence(sd: tuple[ImagePipeline, dict[str, bytes]]) -> None:
    for file, words in ((PICKLE, "no safetensors file"), (WHOLE, "1 tensors and no LoRA"), (OTHER, "does not fit")):
        with pytest.raises(StudioError, match=words):
            paint(sd, (file, 1))
    with pytest.raises(StudioError, match=r"loras.*at most"):
        paint(sd, *[(ONE, 1)] * 5)


def test_stickers_take_none_and_say_what_they_have_instead(tmp_path: Path) -> None:
    pipeline = ImagePipeline()
    pipeline.load(tiny_stickers(tmp_path / "tiny"), CPU, lambda *_: None)
    request = ImageRequest.parse({"prompt": "cat", "width": 256, "height": 256, "loras": [{"file": ONE}]})
    with pytest.raises(StudioError, match="Stickers learn from your pictures"):
        list(pipeline.run(request, FreeTurn(Path(), {ONE: save({"lora_A": torch.zeros(1)})})))
