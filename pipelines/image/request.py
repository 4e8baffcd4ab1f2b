"""What can be asked of a model that makes pictures. Imports no torch: the web process reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.base import Request
from pipelines.errors import StudioError
from pipelines.fields import Digest, Seed, Size, Words, check_said, title_of
from pipelines.registry import register

#: from words alone; from a picture; what is painted over anew; a picture made larger than it is
Method: TypeAlias = Literal["words", "picture", "paint", "extend"]
METHODS: tuple[Method, ...] = ("words", "picture", "paint", "extend")
SIDES = ("extend_left", "extend_right", "extend_top", "extend_bottom")

#: settings that a grid may go over; "words" replaces a part of the prompt
Axis: TypeAlias = Literal[
    "", "words", "seed", "steps", "guidance", "strength", "scheduler", "style", "negative_prompt", "width", "height"
]

Margin = Annotated[int, Field(ge=0, le=1024, multiple_of=8)]


class Lora(BaseModel):
    """A file laid over the model's weights; ``weight`` 1 as it was trained, 0 not at all, below 0 its opposite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: Digest
    weight: float = Field(1.0, ge=-2, le=2)


@register("image", pipeline="pipelines.image.pipeline:ImagePipeline", task="image")
class ImageRequest(Request):
    """Pictures from words, or from a picture and words. ``scheduler`` empty: the one the model came with.

    ``style`` is for models with drawing styles; empty: the one the words name, else whichever suits them. ``weights``:
    the sha256 of a file that a training of the sticker model on own pictures left, to draw with in place of its own.

    ``method`` says what the picture begins from; where it is not given, what else is given says it. All but "words"
    need a ``source``. ``strength`` is the share of the way from noise that is gone again: 1 leaves nothing of the
    source, as "extend" always does. ``shape``: the result has the source's shape, at about the area of ``width`` x
    ``height``; or that very size, the source's middle cut out ("crop") or pulled to it ("stretch"). "paint" makes anew
    what is white in ``mask``, "extend" the margins ``extend_left`` and so on, in pixels of the result; ``feather``:
    pixels over which the new fades into the old.

    ``loras``: safetensors files laid over the model's weights, up to four.

    ``enlarge`` makes the picture again at so many times its size, as far from the first as ``enlarge_strength`` says
    (the high-resolution fix): composition from the size the model knows, detail from the larger one. ``upscale``: then
    the studio's own upscaler.

    One request may stand for up to 64 pictures, each of them kept. ``lines``: each line of the prompt is a prompt.
    ``{a|b}`` and ``__name__``, of ``lists`` with a line such as "name: a, b" for each, are choices; each picture makes
    its own by its seed, or ``wildcards`` "all" makes every one. ``x_field`` and ``y_field`` go over ``x_values`` and
    ``y_values`` (with commas between; of numbers also as 10-30 (+5)), and a labelled picture shows them all.
    """

    prompt: Words
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
    loras: tuple[Lora, ...] = Field((), max_length=4)
    method: Method = "words"
    source: Digest | None = None
    mask: Digest | None = None
    strength: float = Field(0.75, ge=0.05, le=1)
    shape: Literal["source", "crop", "stretch"] = "source"
    feather: int = Field(8, ge=0, le=64)
    extend_left: Margin = 0
    extend_right: Margin = 0
    extend_top: Margin = 0
    extend_bottom: Margin = 0
    enlarge: float = Field(1.0, ge=1, le=4)
    enlarge_strength: float = Field(0.5, ge=0.05, le=1)
    upscale: Literal[1, 2, 4] = 1
    lines: bool = False
    wildcards: Literal["each", "all"] = "each"
    lists: str = Field("", max_length=20_000)
    x_field: Axis = ""
    x_values: str = Field("", max_length=4000)
    y_field: Axis = ""
    y_values: str = Field("", max_length=4000)

    @model_validator(mode="before")
    @classmethod
    def _method_of_what_is_given(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("method"):
            return values
        return {**values, "method": _method_of(values)}

    @model_validator(mode="after")
    def _complete(self) -> ImageRequest:
        if self.method == "words":
            check_said(self.prompt)
        elif self.source is None:
            raise StudioError(
                "image.source",
                "There is no picture to begin from. Give one, or make the picture from words alone.",
            )
        if self.method == "paint" and self.mask is None:
            raise StudioError(
                "image.mask", "Nothing is painted over. Paint over what shall be made anew, then try again."
            )
        if self.method == "extend" and not any(self.margins()):
            raise StudioError(
                "image.margins",
                "All four margins are 0, so there is nothing to extend. Give at least one of them, in pixels.",
            )
        if self.enlarge > 1 and self.method in ("paint", "extend"):
            raise StudioError(
                "image.enlarge",
                "A picture that is painted in or extended keeps its size: the high-resolution fix is for pictures from "
                "words or from a picture. Set it to 1.",
            )
        return self

    def margins(self) -> tuple[int, int, int, int]:
        """Left, right, top and bottom, in pixels."""
        return self.extend_left, self.extend_right, self.extend_top, self.extend_bottom

    def files(self) -> tuple[str, ...]:
        taken = [self.weights, *(lora.file for lora in self.loras)]
        if self.method != "words":
            taken.append(self.source)
        if self.method == "paint":
            taken.append(self.mask)
        return tuple(digest for digest in taken if digest is not None)

    def title(self) -> str:
        return title_of(self.prompt) or {"picture": "variation", "paint": "painted in", "extend": "extended"}.get(
            self.method, ""
        )


def _method_of(values: Mapping[str, Any]) -> Method:
    """What somebody wants who did not say: whatever they gave is to be used."""
    if values.get("source") is None:
        return "words"
    if values.get("mask") is not None:
        return "paint"
    return "extend" if any(values.get(side) for side in SIDES) else "picture"
