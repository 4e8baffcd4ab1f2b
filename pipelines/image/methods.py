"""Which ways of making a picture a model has, and the class of diffusers for each of them.

The classes of one family share their weights: ``StableDiffusionImg2ImgPipeline`` is made of the parts of a
``StableDiffusionPipeline``. ``from_pipe`` would do that too, but casts the shared weights to float32
(diffusers#12754). Knows classes and signatures; runs nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from diffusers.pipelines.auto_pipeline import (
    AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
    AUTO_INPAINT_PIPELINES_MAPPING,
    AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
)

from pipelines.errors import StudioError
from pipelines.image.request import Method
from pipelines.sticker.pipeline import StickerPipeline

_PAINTING = AUTO_INPAINT_PIPELINES_MAPPING
_CLASSES: Mapping[Method, Mapping[str, type[Any]]] = {
    "picture": AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
    "paint": _PAINTING,
    "extend": _PAINTING,
}
_OF_STICKERS: tuple[Method, ...] = ("words", "picture", "paint")


def class_for(kind: type[Any], method: Method) -> type[Any] | None:
    """The class that does ``method`` with the parts of ``kind``; None where the family has none."""
    if method == "words":
        return kind
    if kind is StickerPipeline:
        return kind if method in _OF_STICKERS else None
    family = next((name for name, known in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.items() if known is kind), None)
    if family is None or "control" in family:  # those need a drawing to go by besides
        return None
    found = _CLASSES[method].get(family)
    return found if found is None or _goes_on_from_noise(found) else None


def _goes_on_from_noise(kind: type[Any]) -> bool:
    """Whether a class starts from a partly noised picture, which is what ``strength`` means; others only look at it."""
    takes = inspect.signature(kind.__call__).parameters
    return {"image", "strength"} <= set(takes)


def required_class(kind: type[Any], method: Method) -> type[Any]:
    """The same, or a ``StudioError`` that says what the model can do."""
    found = class_for(kind, method)
    if found is None:
        can = [name for name in ("words", "picture", "paint", "extend") if class_for(kind, name) is not None]
        raise StudioError(
            "image.method",
            "This model ({kind}) cannot make a picture by the method {method}; it can by {known}. Choose another "
            "model or another method.",
            kind=kind.__name__,
            method=method,
            known=", ".join(can),
        )
    return found
