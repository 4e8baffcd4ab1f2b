"""Two hundred hostile pictures on the Image tab: to begin from, as a mask, to extend, for a recipe, and as a LoRA.

Each comes to a result or to a sentence, never to a traceback.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from safetensors.torch import save

from pipelines.base import Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.lora import read_lora
from pipelines.image.lora_file import check_file
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import ImageRequest
from pipelines.image.sources import LONGEST, SHORTEST
from pipelines.image.upscale_request import UpscaleRequest
from pipelines.image.upscaling import UpscalePipeline
from pipelines.pictures import open_picture
from studio.library.credentials import Credentials
from studio.library.explain import explain
from studio.library.parameters import read_recipe
from studio.library.recipe import KEY
from tests.hostile import HOSTILE, picture, saved
from tests.stickers import tiny_stickers
from tests.unit import tiny_diffusers
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Device("cpu", "test", "float32", "a test", 0, 1)
PLAIN = saved(picture((40, 30)), "PNG")
MASK = saved(Image.new("L", (40, 30), 255), "PNG")


def quarter(start: int) -> list[str]:
    return [name for number, name in enumerate(HOSTILE) if number % 4 == start]


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.load(tiny_diffusers.stable_diffusion(tmp_path_factory.mktemp("models") / "sd"), CPU, lambda *_: None)
    return pipeline


@pytest.fixture(scope="module")
def stickers(tmp_path_factory: pytest.TempPathFactory) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.load(tiny_stickers(tmp_path_factory.mktemp("stickers") / "tiny"), CPU, lambda *_: None)
    return pipeline


@pytest.fixture(scope="module")
def upscaler() -> UpscalePipeline:
    pipeline = UpscalePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    return pipeline


def made(pipeline: ImagePipeline, source: bytes, mask: bytes | None = None, **more: object) -> Image.Image:
    """The picture that comes of it, decoded."""
    files = {hashlib.sha256(data).hexdigest(): data for data in (source, mask) if data is not None}
    names = [*files, *files]  # a mask that is the source itself is one file under one name
    values = {"prompt": "cat", "steps": 1, "strength": 1, "seed": 7, "source": names[0], **more}
    if mask is not None:
        values["mask"] = names[1]
    last = list(pipeline.run(ImageRequest.parse(values), FreeTurn(Path(), files)))[-1]
    assert isinstance(last, Result)
    return Image.open(io.BytesIO(last.artifacts[0].data))


def readable(data: bytes) -> bool:
    """Whether it is a picture that is read; anything but a sentence for one that is not is a failure."""
    try:
        open_picture(data)
    except StudioError:
        return False
    return True


def small(**more: Any) -> dict[str, Any]:
    return {"width": 64, "height": 64, **more}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_to_begin_from_comes_to_another_or_to_a_sentence(sd: ImagePipeline, name: str) -> None:
    data = HOSTILE[name]()
    if readable(data):
        sides = made(sd, data, **small()).size
        assert all(SHORTEST <= side <= LONGEST and side % 8 == 0 for side in sides)
    else:
        with pytest.raises(StudioError, match=r"\.$"):
            made(sd, data, **small())


@pytest.mark.parametrize("name", quarter(0))
def test_a_hostile_mask_is_painted_through_or_is_a_sentence(sd: ImagePipeline, name: str) -> None:
    data = HOSTILE[name]()
    if readable(data) and open_picture(data, (0, 0, 0)).convert("L").getextrema()[1]:
        assert made(sd, PLAIN, data, **small(shape="crop")).size == (64, 64)
    else:
        with pytest.raises(StudioError, match=r"\.$"):
            made(sd, PLAIN, data, **small())


@pytest.mark.parametrize("name", quarter(1))
def test_a_hostile_picture_is_extended_painted_in_and_cut_or_is_a_sentence(sd: ImagePipeline, name: str) -> None:
    data = HOSTILE[name]()
    if readable(data):
        assert made(sd, data, **small(extend_left=8, extend_top=64, shape="crop")).size == (72, 128)
        assert made(sd, data, MASK, **small(shape="stretch", feather=64)).size == (64, 64)
    else:
        with pytest.raises(StudioError, match=r"\.$"):
            made(sd, data, **small(extend_left=8))


@pytest.mark.parametrize("name", quarter(2))
def test_a_hostile_picture_becomes_a_sticker_or_a_sentence(stickers: ImagePipeline, name: str) -> None:
    data = HOSTILE[name]()
    if readable(data):
        assert made(stickers, data, width=256, height=256, style="flat").size == (256, 256)
    else:
        with pytest.raises(StudioError, match=r"\.$"):
            made(stickers, data, width=256, height=256, style="flat")


@pytest.mark.parametrize("name", quarter(3))
def test_a_hostile_picture_is_upscaled_or_is_a_sentence(upscaler: UpscalePipeline, name: str) -> None:
    data = HOSTILE[name]()
    digest = hashlib.sha256(data).hexdigest()
    request = UpscaleRequest.parse({"picture": digest, "factor": 2})
    if readable(data):
        last = list(upscaler.run(request, FreeTurn(Path(), {digest: data})))[-1]
        assert isinstance(last, Result)
        width, height = open_picture(data).size
        assert Image.open(io.BytesIO(last.artifacts[0].data)).size == (2 * width, 2 * height)
    else:
        with pytest.raises(StudioError, match=r"\.$"):
            list(upscaler.run(request, FreeTurn(Path(), {digest: data})))


# --------------------------------------------------------------------------- what is dropped for its recipe


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_has_no_recipe_and_is_told_about_in_sentences(name: str, tmp_path: Path) -> None:
    data = HOSTILE[name]()
    with pytest.raises(StudioError, match=r"\.$"):
        read_recipe(data)
    if data:
        assert explain(data, Credentials(tmp_path)).said


def png_saying(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    return saved(picture((8, 8)), "PNG", pnginfo=info)


NONSENSE: list[object] = [
    None, True, -1, 10**400, 1e999, float("nan"), "", "x" * 9000, [], {}, [[{"file": 1}]], {"file": {}}, "\x00",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(ImageRequest.model_fields)) | st.text(max_size=9), st.sampled_from(NONSENSE))
)
def test_what_a_forged_recipe_leaves_can_be_asked_for(forged: dict[str, object]) -> None:
    try:
        found = read_recipe(png_saying(**{KEY: json.dumps({"kind": "image", "settings": forged})}))
    except StudioError:
        return
    wanting = {"prompt": "x", "method": "words", "x_values": "1"}  # what one setting alone may want beside it
    assert ImageRequest.parse({**found.settings, **wanting})
    assert found.settings.keys() | found.other.keys() == {name[:80] for name in forged}


@pytest.mark.parametrize(
    "texts",
    [
        {KEY: "[" * 100_000},
        {KEY: '{"settings": ' + '{"a":' * 50_000},
        {"parameters": "x\nSteps: 1e999, Seed: nan, CFG scale: inf, Size: " + "9" * 5000 + "x1"},
        {"prompt": '{"1": {"class_type": "KSampler", "inputs": {"seed": NaN, "steps": 1e999, "positive": 1}}}'},
        {"prompt": '{"1": {"class_type": "KSampler", "inputs": {"steps": 2.5, "denoise": Infinity, "cfg": []}}}'},
        {"prompt": "[" * 100_000},
    ],
)  # fmt: skip
def test_texts_of_no_sense_are_a_recipe_without_them_or_a_sentence(texts: dict[str, str]) -> None:
    try:
        found = read_recipe(png_saying(**texts))
    except StudioError:
        return
    assert ImageRequest.parse({"prompt": "x", **found.settings})


# ------------------------------------------------------------------------------------- and what is no LoRA


def headed(header: bytes, tail: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + tail


def tensor(kind: str, shape: int, end: int) -> bytes:
    """A header with one tensor of a LoRA in it."""
    return json.dumps({"unet.a.lora_A.weight": {"dtype": kind, "shape": [shape], "data_offsets": [0, end]}}).encode()


NO_LORAS = {
    "empty": b"",
    "a head beyond the file": (2**62).to_bytes(8, "little") + b"{}",
    "no JSON": headed(b"{" * 50),
    "deep": headed(b'{"a":' * 20_000),
    "no tensors": headed(b"{}"),
    "beyond its data": headed(tensor("F32", 9, 36)),
    "a kind there is not": headed(tensor("X9", 1, 4), bytes(4)),
    "a shape below nothing": headed(tensor("F32", -1, 4), bytes(4)),
    "a pickle": b"\x80\x04\x95" + bytes(60),
    "a picture": PLAIN,
}


@pytest.mark.parametrize("name", NO_LORAS)
def test_what_is_no_lora_is_a_sentence_on_the_page_and_in_the_job(name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(NO_LORAS[name])
    with pytest.raises(StudioError, match=r"\.$"):
        check_file(path)
    with pytest.raises(StudioError, match=r"\.$"):
        read_lora(NO_LORAS[name])


@pytest.mark.parametrize(
    "names",
    [
        {"lora": (1,)},
        {"unet.down_blocks.0.attn.to_q.lora_A.weight": (2, 7)},
        {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight": (2, 16)},
        {
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight": (2, 99),
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight": (99, 2),
        },
        {"lora_unet_down_blocks_1_attentions_0.lora_down.weight": (2, 16)},
        {"transformer.single_transformer_blocks.0.lora_A.weight": (2, 2)},
        {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": ()},
    ],
)
def test_a_lora_of_odd_tensors_is_refused_in_a_sentence(sd: ImagePipeline, names: dict[str, tuple[int, ...]]) -> None:
    data = save({name: torch.ones(shape) for name, shape in names.items()})
    digest = hashlib.sha256(data).hexdigest()
    asked = {"prompt": "cat", "steps": 1, **small(), "loras": [{"file": digest}]}
    with pytest.raises(StudioError, match=r"\.$"):
        list(sd.run(ImageRequest.parse(asked), FreeTurn(Path(), {digest: data})))
