"""What is asked for, in the words the pipeline at hand knows; and what it cannot do, before it begins.

Pipelines of diffusers differ in what their call takes and in the sizes they can make; a sticker model reads English
only, so that its prompts go through a dictionary first. Knows requests and signatures; runs nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pipelines.base import Scalar
from pipelines.errors import StudioError
from pipelines.image.loading import Pipe
from pipelines.image.request import ImageRequest
from pipelines.image.sources import Source
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.prompts import read_prompt


def read_words(pipe: Pipe, request: ImageRequest) -> tuple[ImageRequest, Mapping[str, Scalar]]:
    """The request with its words as the model reads them, and what is worth knowing of how they were read.

    Raises ``StudioError`` for a drawing style where the model has none, and for words of which it knows none.
    """
    if not isinstance(pipe, StickerPipeline):
        if request.style:
            raise StudioError(
                "image.style",
                "This model has no drawing styles, and {style} was asked for. Leave the style empty and describe it "
                "in the prompt, or choose the model stickers.",
                style=request.style,
            )
        return request, {}
    if not request.prompt.strip():  # a variation of a picture
        return request, {}
    read = read_prompt(request.prompt, request.style or None)
    avoided = read_prompt(request.negative_prompt) if request.negative_prompt.strip() else None
    unknown = dict.fromkeys([*read.unknown, *(avoided.unknown if avoided else ())])
    facts: dict[str, Scalar] = {}
    if read.english != " ".join(request.prompt.split()):
        facts["english"] = read.english
    if unknown:
        facts["unknown"] = ", ".join(unknown)
    if read.style and not request.style:
        facts["drawn"] = read.style
    english = {"prompt": read.english, "negative_prompt": avoided.english if avoided else "", "style": read.style or ""}
    return request.model_copy(update=english), facts


def check_own(pipe: Pipe) -> None:
    """Raises ``StudioError`` where the model can have no network of a person's own."""
    if not isinstance(pipe, StickerPipeline):
        raise StudioError(
            "image.weights",
            "Weights that were trained on your pictures are for the sticker model, and {kind} was chosen. Choose the "
            "model stickers, or take the weights out.",
            kind=type(pipe).__name__,
        )


def parameters(pipe: Pipe) -> dict[str, inspect.Parameter]:
    """What the pipeline's call takes, by name."""
    return dict(inspect.signature(type(pipe).__call__).parameters)


def call_settings(pipe: Pipe, request: ImageRequest, source: Source | None = None) -> dict[str, Any]:
    """The arguments for ``pipe``, in the words its class knows.

    Two guidances exist: classifier-free (Ho and Salimans 2022), and one distilled into the model. Where a class has
    both, it calls the first ``true_cfg_scale``; it costs a second pass and is taken only where a negative prompt
    asks for it, or where the class relies on it.
    """
    takes = parameters(pipe)
    settings: dict[str, Any] = {
        "prompt": request.prompt,
        "num_inference_steps": request.steps,
        "width": request.width,
        "height": request.height,
    }
    if isinstance(pipe, StickerPipeline):
        settings["style"] = request.style or None
    if "guidance_scale" in takes:
        settings["guidance_scale"] = request.guidance
    if "negative_prompt" in takes and request.negative_prompt:
        settings["negative_prompt"] = request.negative_prompt
    if "true_cfg_scale" in takes:
        relies = float(takes["true_cfg_scale"].default) > 1
        settings["true_cfg_scale"] = request.guidance if relies or request.negative_prompt else 1.0
        if relies and request.guidance > 1:
            settings.setdefault("negative_prompt", " ")
        if relies:
            settings.pop("guidance_scale", None)
    settings |= {name: value for name, value in _AS_ASKED.items() if name in takes}
    if "intermediate_timesteps" in takes and request.steps != 2:
        settings["intermediate_timesteps"] = None  # Sana Sprint has them for two steps only
    if source is not None:
        settings |= _beginning(request, source)
    return {name: value for name, value in settings.items() if name in takes}


#: sizes are made as they are asked for, and no prompt is rewritten
_AS_ASKED = {"use_resolution_binning": False, "clean_caption": False}


def _beginning(request: ImageRequest, source: Source) -> dict[str, Any]:
    """Margins are all new, so nothing of what they begin with is to be kept; one step at least is always taken."""
    strength = 1.0 if request.method == "extend" else max(request.strength, 1 / request.steps)
    width, height = source.size
    begun = {"image": source.picture, "strength": strength, "width": width, "height": height}
    return begun if source.mask is None else {**begun, "mask_image": source.mask}


def size_step(pipe: Pipe) -> int:
    """Width and height have to be multiples of this: the autoencoder's factor times the transformer's patch."""
    factor = int(getattr(pipe, "vae_scale_factor", 8))
    transformer = getattr(pipe, "transformer", None)
    if transformer is None:
        return factor
    patch = transformer.config.get("patch_size") or 1
    packs = hasattr(pipe, "_pack_latents") or "all_patch_size" in transformer.config
    return factor * max(2 if packs else 1, max(patch) if isinstance(patch, (list, tuple)) else int(patch))


def check_size(pipe: Pipe, request: ImageRequest) -> None:
    """Raises ``StudioError`` where the model cannot make a picture of exactly this size."""
    if isinstance(pipe, StickerPipeline):  # has one size, and says so itself
        if request.enlarge > 1:
            raise StudioError(
                "image.enlarge_fixed",
                "This model has one size, so the high-resolution fix has nothing to do. Upscale the picture instead.",
            )
        return
    if request.method != "words" and request.shape == "source":  # the source's shape decides, in steps that fit
        return
    step, width, height = size_step(pipe), request.width, request.height
    if width % step or height % step:
        raise StudioError(
            "image.size",
            "With this model width and height must be multiples of {step}; you gave {width} x {height}. "
            "{near_width} x {near_height} would do.",
            step=step,
            width=width,
            height=height,
            near_width=max(1, round(width / step)) * step,
            near_height=max(1, round(height / step)) * step,
        )


def cut_prompt(pipe: Pipe, prompt: str) -> str | None:
    """How much of the prompt the model read, where it did not read all of it; None where it did."""
    longest = getattr(parameters(pipe).get("max_sequence_length"), "default", None)
    reads, tokens = 0, 0
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        tokenizer = getattr(pipe, name, None)
        if tokenizer is None:
            continue
        own = int(tokenizer.model_max_length)
        limit = own if "CLIP" in type(tokenizer).__name__ or longest is None else int(longest)
        if limit > reads:
            reads, tokens = limit, len(tokenizer(prompt).input_ids)
    return f"only the first {reads} of {tokens} tokens were read" if tokens > reads > 0 else None
