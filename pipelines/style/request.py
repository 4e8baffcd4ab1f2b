"""What can be asked of the painters: one photo, its style, and how far to go. Imports no torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipelines.base import Request
from pipelines.errors import StudioError
from pipelines.fields import Digest
from pipelines.registry import register
from pipelines.style.styles import find_style


@register("style", pipeline="pipelines.style.pipeline:StylePipeline", task="style")
class StyleRequest(Request):
    """A photo painted in a built-in style (``style``, its id) or in that of any picture (``style_picture``)."""

    photo: Digest
    style: str = ""
    style_picture: Digest | None = None
    strength: float = Field(1.0, ge=0, le=1)
    keep_colors: bool = False

    @model_validator(mode="after")
    def _one_style(self) -> StyleRequest:
        if not self.style and self.style_picture is None:
            raise StudioError(
                "style.none", "Choose one of the built-in styles or give a picture to take the style from."
            )
        if self.style:
            find_style(self.style)
        return self

    def files(self) -> tuple[str, ...]:
        return (self.photo,) if self.style_picture is None else (self.photo, self.style_picture)

    def title(self) -> str:
        return self.style or "style of a picture"
