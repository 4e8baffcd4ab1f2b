"""A picture at two or four times its size: what can be asked. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pipelines.base import Request
from pipelines.errors import StudioError
from pipelines.fields import Digest, Seed
from pipelines.pictures import MAX_PIXELS
from pipelines.registry import register


@register("upscale", pipeline="pipelines.image.upscaling:UpscalePipeline")
class UpscaleRequest(Request):
    """``picture`` at ``factor`` times its width and height, as large as a picture may be that is read here again.

    There is nothing random in it: ``seed`` is there as every kind of job has one.
    """

    picture: Digest
    factor: Literal[2, 4] = 2
    seed: Seed = -1

    def files(self) -> tuple[str, ...]:
        return (self.picture,)

    def title(self) -> str:
        return f"{self.factor} x as large"


def check_upscaled(size: tuple[int, int], factor: int) -> None:
    """Raises ``StudioError`` where a picture of ``size`` would become too large."""
    width, height = size[0] * factor, size[1] * factor
    if width * height > MAX_PIXELS:
        raise StudioError(
            "image.upscaled",
            "{factor} times as large the picture would have {width} x {height} pixels, {megapixels} megapixels; at "
            "most {limit} megapixels are made.",
            factor=factor,
            width=width,
            height=height,
            megapixels=round(width * height / 1e6, 1),
            limit=MAX_PIXELS // 1_000_000,
        )
