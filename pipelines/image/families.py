"""Which ways of making a picture a model has, told from its folder alone: the page says so before anything is loaded.

The same answer as ``methods.class_for`` gives of the classes themselves, without importing them; a test compares the
two for every class that diffusers knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipelines.image.request import METHODS, Method

_PICTURE: tuple[Method, ...] = ("words", "picture")
_STICKERS: tuple[Method, ...] = ("words", "picture", "paint")
_KNOWN: Mapping[str, tuple[Method, ...]] = {
    "StickerPipeline": _STICKERS,
    "StableDiffusionPipeline": METHODS,
    "StableDiffusionXLPipeline": METHODS,
    "StableDiffusion3Pipeline": METHODS,
    "FluxPipeline": METHODS,
    "ZImagePipeline": METHODS,
    "QwenImagePipeline": METHODS,
    "KandinskyCombinedPipeline": _PICTURE,
    "KandinskyV22CombinedPipeline": _PICTURE,
    "StableDiffusionPAGPipeline": METHODS,
    "StableDiffusionXLPAGPipeline": METHODS,
    "IFPipeline": METHODS,
    "StableDiffusion3PAGPipeline": _PICTURE,
    "Kandinsky3Pipeline": _PICTURE,
    "LatentConsistencyModelPipeline": _PICTURE,
    "KolorsPipeline": _PICTURE,
}


def methods_of_class(name: str) -> tuple[Method, ...]:
    """What a pipeline class can, in the order of ``METHODS``."""
    return _KNOWN.get(name, ("words",))


def methods_of(folder: Path) -> tuple[Method, ...]:
    """What the model in ``folder`` can; everything where it does not say, as the job says what is wrong with it."""
    try:
        name = json.loads((folder / "model_index.json").read_text("utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return METHODS
    plain = str(name).replace("Img2ImgPipeline", "Pipeline").replace("InpaintPipeline", "Pipeline")
    return methods_of_class(plain)
