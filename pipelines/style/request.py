"""What can be asked of the painters: one photo, its styles, and how far to go. Imports no torch.

The first three fields are all that old recipes have; every other one leaves a painting as it was at its default, but
for ``pixels``, which is "every" in a recipe that does not name it (``as_it_was``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.base import Request
from pipelines.errors import StudioError
from pipelines.fields import Digest
from pipelines.registry import register
from pipelines.style.styles import find_style

#: styles that one painting may be mixed of, the first among them
MOST_STYLES = 4
REGIONS = 3


class Part(BaseModel):
    """A style beside the first one: a built-in one by its id, or a picture by its digest.

    ``weight`` is its share where it is mixed, beside that of the first, which is ``style_weight``. ``region`` 1 to 3:
    it is not mixed but painted alone where the mask is red, green or blue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    style: str = ""
    picture: Digest | None = None
    weight: float = Field(1.0, gt=0, le=1)
    region: Annotated[int, Field(ge=0, le=REGIONS)] = 0

    @model_validator(mode="after")
    def _one_style(self) -> Part:
        return _checked(self)


def _checked(part: Part) -> Part:
    if not part.style and part.picture is None:
        raise StudioError("style.none", "Choose one of the built-in styles or give a picture to take the style from.")
    if part.style:
        find_style(part.style)
    return part


@register("style", pipeline="pipelines.style.pipeline:StylePipeline", task="style")
class StyleRequest(Request):
    """A photo painted in a built-in style (``style``, its id) or in that of any picture (``style_picture``).

    ``engine`` fast: the networks; finest: optimisation after Gatys et al., ``steps`` of it at ``edge`` pixels on the
    longer side. ``parts`` are up to three further styles. ``strength`` 0 gives the photo back. ``colors``: those of the
    style, of the photo, or the style's matched to the photo's histogram; ``keep_colors`` is the older word for "photo".
    ``style_size`` above 1 makes strokes larger. ``pixels`` quick: in the style of a picture a large photo is
    painted small, and the painting is brought to its size along the photo's own edges; every: each of its pixels is
    painted, as it always is in a built-in style. ``detail`` brings the photo's own lines back where it has some.
    ``mask``: a picture as large as the photo, bright where it is to be painted (or its regions, see ``Part``),
    ``mask_inverse`` where it is not; ``mask_soft`` is the width of its edges in hundredths of the photo's shorter side.

    ``what``: a picture; a sheet of all built-in styles; a film, then ``photo`` is a GIF or a short video, ``smooth``
    how much of a still place stays from frame to frame, and ``edge`` the longer side of its frames; or a trial, which
    makes nothing and measures what each engine takes on this device.
    ``scores``: also measure what was kept of the photo and taken of the style.
    """

    photo: Digest
    style: str = ""
    style_picture: Digest | None = None
    style_weight: float = Field(1.0, gt=0, le=1)
    parts: tuple[Part, ...] = Field((), max_length=MOST_STYLES - 1)
    engine: Literal["fast", "finest"] = "fast"
    pixels: Literal["quick", "every"] = "quick"
    what: Literal["picture", "sheet", "film", "trial"] = "picture"
    strength: float = Field(1.0, ge=0, le=1)
    keep_colors: bool = False
    colors: Literal["style", "photo", "matched"] = "style"
    style_size: float = Field(1.0, ge=0.25, le=4)
    detail: float = Field(0.0, ge=0, le=1)
    mask: Digest | None = None
    mask_inverse: bool = False
    mask_soft: float = Field(1.0, ge=0, le=20)
    edge: int = Field(512, ge=128, le=2048)
    steps: int = Field(200, ge=10, le=1000)
    smooth: float = Field(0.6, ge=0, le=0.95)
    scores: bool = True

    @model_validator(mode="after")
    def _some_style(self) -> StyleRequest:
        if self.what not in ("sheet", "trial"):
            _checked(Part.model_construct(style=self.style, picture=self.style_picture))
        return self

    @model_validator(mode="after")
    def _some_regions(self) -> StyleRequest:
        if self.mask is None and any(part.region for part in self.parts):
            raise StudioError(
                "style.region", "A style has a region of its own, and no mask says where that is. Paint a mask first."
            )
        return self

    @model_validator(mode="after")
    def _films_are_painted_fast(self) -> StyleRequest:
        if self.what == "film" and (self.engine != "fast" or self.mask is not None):
            raise StudioError(
                "style.film.plain",
                "A moving picture is painted by the fast engine and without a mask. Choose a built-in style or a "
                "picture as the style, and clear the mask.",
            )
        return self

    @property
    def everywhere(self) -> Sequence[Part]:
        """The styles that are mixed, the first one first. A picture, where there is one, is the first style."""
        first = Part.model_construct(
            style="" if self.style_picture else self.style,
            picture=self.style_picture,
            weight=self.style_weight,
            region=0,
        )
        return (first, *(part for part in self.parts if part.region == 0))

    @property
    def palette(self) -> str:
        """Whose colours: style, photo or matched."""
        return "photo" if self.keep_colors and self.colors == "style" else self.colors

    @staticmethod
    def as_it_was(recipe: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a recipe, older ones among them, in today's words."""
        older: dict[str, Any] = {} if "pixels" in recipe else {"pixels": "every"}
        if recipe.get("keep_colors") and recipe.get("colors", "style") == "style":  # the older word for it
            older["colors"] = "photo"
        return {**recipe, **older}

    def files(self) -> tuple[str, ...]:
        named = (self.photo, self.style_picture, self.mask, *(part.picture for part in self.parts))
        return tuple(digest for digest in named if digest is not None)

    def title(self) -> str:
        if self.what == "sheet":
            return "all styles"
        return self.style or "style of a picture"
