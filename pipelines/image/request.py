"""What can be asked of a model that makes pictures. Imports no torch: the web process reads it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipelines.base import Request
from pipelines.fields import Digest, Prompt, Seed, Size, title_of
from pipelines.registry import register


@register("image", pipeline="pipelines.image.pipeline:ImagePipeline", task="image")
class ImageRequest(Request):
    """Pictures from words. ``scheduler`` empty: the one the model came with.

    ``style`` is for models with drawing styles; empty: the one the words name, else whichever suits them. ``weights``:
    the sha256 of a file that a training of the sticker model on own pictures left, to draw with in place of its own.
    """

    prompt: Prompt
    negative_prompt: str = Field("", max_length=4000)
    steps: int = Field(20, ge=1, le=150)
    guidance: float = Field(5.0, ge=0, le=30)
    width: Size = 512
    height: Size = 512
    count: int = Field(1, ge=1, le=8)
    seed: Seed = -1
    scheduler: Literal[
        "", "ddim", "ddpm", "dpm++ 2m", "dpm++ 2m karras", "euler", "euler a", "heun", "lcm", "pndm", "unipc"
    ] = ""
    style: Literal["", "glossy", "flat", "noto", "twitter", "firefox"] = ""
    weights: Digest | None = None

    def files(self) -> tuple[str, ...]:
        return () if self.weights is None else (self.weights,)

    def title(self) -> str:
        return title_of(self.prompt)
