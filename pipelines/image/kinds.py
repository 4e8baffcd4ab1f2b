"""Which pictures can be made in one call, and how many of them.

What has to be alike is everything that shapes a call but the words and the seed. Pictures that begin from another are
made alone, and so is whatever has a setting that is not known here. Knows requests and pipelines; runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.image.loading import Pipe
from pipelines.image.request import ImageRequest
from pipelines.image.settings import call_settings
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.text import length
from pipelines.text_memory import RESERVE

#: what shapes a call and has to be alike
_ALIKE = ("steps", "guidance", "width", "height", "scheduler", "weights")
#: what each picture has of its own, and what is done before or after a call from words. ``model``: whoever meets here
#: has the same one
_OWN = (
    *("model", "prompt", "negative_prompt", "style", "seed", "count"),
    *("method", "source", "mask", "strength", "shape", "feather"),
    *("extend_left", "extend_right", "extend_top", "extend_bottom"),
    *("enlarge", "enlarge_strength", "upscale"),
    *("lines", "wildcards", "lists", "x_field", "x_values", "y_field", "y_values"),
)
#: tokenizers that fill every prompt up to one length, whatever is read with it
_FILLED_UP = ("CLIP", "T5")
#: bytes for each place of a picture's latents while a network computes it, at most: with guidance, sixteen times 4096
#: numbers of two bytes. By design generous: where it is too little after all, each is painted alone
PLACE = 2 * 16 * 4096


@dataclass(frozen=True)
class Words:
    """What one picture is told, as the model reads it."""

    prompt: str
    negative: str
    style: str


def words_of(read: ImageRequest) -> Words:
    """The words of a request that was read for its model."""
    return Words(read.prompt, read.negative_prompt, read.style)


def kind_of(pipe: Pipe, read: ImageRequest) -> Hashable | None:
    """The same for requests whose pictures, from words, can be made in one call of ``pipe``; None for what cannot.

    A prompt that is filled up to the length of its longest neighbour would be read otherwise than alone, so where a
    tokenizer does that only prompts of one length are alike.
    """
    fields = type(read).model_fields
    further = [name for name in fields if name not in (*_ALIKE, *_OWN)]
    if any(getattr(read, name) != fields[name].get_default(call_default_factory=True) for name in further):
        return None
    settings = tuple(getattr(read, name) for name in _ALIKE)
    texts = [text for text in (read.prompt, read.negative_prompt) if text]
    if isinstance(pipe, StickerPipeline):
        return settings, max((length(pipe.tokenizer, text) for text in texts), default=0)
    return settings, bool(read.negative_prompt), _lengths(pipe, texts)


def _lengths(pipe: Pipe, texts: Sequence[str]) -> tuple[int, ...]:
    names = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
    tokenizers = [each for each in (getattr(pipe, name, None) for name in names) if each is not None]
    growing = [each for each in tokenizers if not any(name in type(each).__name__ for name in _FILLED_UP)]
    return tuple(len(tokenizer(text)["input_ids"]) for tokenizer in growing for text in texts)


def several(pipe: Pipe, read: ImageRequest, words: Sequence[Words]) -> dict[str, Any]:
    """What takes the place of the words of ``read`` in its settings, in a call for several of its kind."""
    negative = call_settings(pipe, read).get("negative_prompt", "")
    settings: dict[str, Any] = {"prompt": [each.prompt for each in words]}
    if isinstance(pipe, StickerPipeline):
        settings["style"] = [each.style or None for each in words]
        settings["negative_prompt"] = [each.negative for each in words]
    elif negative:  # a blank one where the pipeline wants one and nobody gave any
        settings["negative_prompt"] = [each.negative or negative for each in words]
    return settings


def room(pipe: Pipe, read: ImageRequest, most: int, free: Callable[[], int]) -> int:
    """How many pictures of that size may be computed at once, ``most`` at most, where ``free()`` bytes are free."""
    factor = int(getattr(pipe, "vae_scale_factor", 8))
    each = PLACE * (read.width // factor) * (read.height // factor)
    return max(1, min(most, (free() - RESERVE) // each)) if most > 1 else most
