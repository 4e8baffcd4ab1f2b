"""Recipes read out of pictures: ours, AUTOMATIC1111's text in its many dialects, ComfyUI's graph; and none."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pipelines.base import Artifact
from pipelines.errors import StudioError
from pipelines.image.request import ImageRequest
from studio.library.parameters import read_graph, read_parameters, read_recipe
from studio.library.recipe import compose, embed

WEBUI = """a lighthouse on a cliff, (oil painting:1.2)
second line
Negative prompt: blurry, low quality
Steps: 25, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 1234, Size: 640x512, Model hash: abc, Model: "some, model"
"""
CIVITAI = (
    "a fox\nSteps: 30, Sampler: Euler a, CFG scale: 4, Seed: 99, Size: 832x1216, Clip skip: 2, "
    'Civitai resources: [{"type":"checkpoint"}], Version: v1.10'
)
FORGE = (
    "a fox\nNegative prompt: \nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 1, Seed: 5, Size: 64x64"
)
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 7, "steps": 12, "cfg": 3.5, "denoise": 1.0,
            "sampler_name": "euler_ancestral", "scheduler": "normal",
            "positive": ["10", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 768, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a boat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "fog", "clip": ["4", 1]}},
    "10": {"class_type": "FluxGuidance", "inputs": {"guidance": 3, "conditioning": ["6", 0]}},
}  # fmt: skip


def png_with(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def test_the_words_and_settings_of_automatic1111_are_read() -> None:
    found = read_recipe(png_with(parameters=WEBUI))
    assert found.source == "parameters"
    assert found.settings == {
        "prompt": "a lighthouse on a cliff, (oil painting:1.2)\nsecond line",
        "negative_prompt": "blurry, low quality",
        "steps": 25,
        "guidance": 7.5,
        "seed": 1234,
        "width": 640,
        "height": 512,
        "scheduler": "dpm++ 2m karras",
    }
    assert found.other == {"Model hash": "abc", "Model": "some, model"}
    assert ImageRequest.parse(found.settings)


def test_dialects_are_read_leniently() -> None:
    read, other = read_parameters(CIVITAI)
    assert (read["prompt"], read["scheduler"], read["steps"], read["width"]) == ("a fox", "euler a", 30, 832)
    assert other["Clip skip"] == "2"
    assert read_parameters(FORGE)[0]["scheduler"] == "dpm++ 2m karras"
    assert read_parameters("only words")[0] == {"prompt": "only words"}


def test_a_jpeg_carries_it_in_its_comment() -> None:
    for encoded in (b"UNICODE\0" + FORGE.encode("utf-16-be"), b"UNICODE\0" + FORGE.encode("utf-16-le")):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = encoded
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
        assert read_recipe(out.getvalue()).settings["prompt"] == "a fox"


def test_a_graph_of_comfyui_is_followed_back_from_its_sampler() -> None:
    found = read_recipe(png_with(prompt=json.dumps(GRAPH)))
    assert found.source == "comfyui"
    assert found.settings == {
        "prompt": "a boat", "negative_prompt": "fog", "steps": 12, "seed": 7, "guidance": 3.5, "scheduler": "euler a",
        "strength": 1.0, "width": 768, "height": 512,
    }  # fmt: skip
    assert read_graph({"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0]}}}) == {}


def test_our_own_recipe_comes_back_whole_with_its_seed() -> None:
    request = ImageRequest.parse({"prompt": "a cat", "steps": 9})
    recipe = compose("image", request.model_dump(mode="json"), None, {"seed": 5})
    found = read_recipe(embed(Artifact("a.png", "image/png", png_with()), recipe))
    assert found.source == "atelier"
    assert ImageRequest.parse(found.settings) == request.model_copy(update={"seed": 5})


def test_values_no_request_takes_are_brought_to_the_edge() -> None:
    read, _ = read_parameters("a\nSteps: 999, Sampler: Odd, CFG scale: 99, Seed: 99999999999, Size: 515x9000")
    assert read == {"prompt": "a", "steps": 150, "guidance": 30, "seed": 2**32 - 1, "width": 512, "height": 2048}


def test_a_picture_that_says_nothing_is_a_sentence() -> None:
    with pytest.raises(StudioError, match="does not say how it was made"):
        read_recipe(png_with(Comment="hello", prompt="[1]"))
    with pytest.raises(StudioError, match="not a picture"):
        read_recipe(b"hello")


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=200), st.dictionaries(st.sampled_from(["Steps", "Seed", "Size", "Sampler"]), st.text(max_size=9))
)
def test_whatever_is_written_what_is_read_is_a_request_or_nothing(words: str, pairs: dict[str, str]) -> None:
    read, _ = read_parameters("x " + words + "\n" + ", ".join(f"{name}: {value}" for name, value in pairs.items()))
    ImageRequest.parse({"prompt": "x", **{name: value for name, value in read.items() if name != "prompt"}})
