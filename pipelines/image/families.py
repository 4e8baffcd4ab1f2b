"""What a model can, told from its folder alone: its ways of making a picture, and whether a LoRA can be laid over it.

The page says so before anything is loaded. The same answer as ``methods.class_for`` and the classes themselves give,
without importing them; a test compares the two for every class that diffusers knows.
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


#: classes that diffusers cannot lay a LoRA over
_WITHOUT_LORA = frozenset(
    (
        "CogView3PlusPipeline",
        "CogView4ControlPipeline",
        "GlmImagePipeline",
        "HunyuanDiTPAGPipeline",
        "HunyuanDiTPipeline",
        "KandinskyCombinedPipeline",
        "KandinskyV22CombinedPipeline",
        "LuminaPipeline",
        "NucleusMoEImagePipeline",
        "OvisImagePipeline",
        "PixArtAlphaPipeline",
        "PixArtSigmaPAGPipeline",
        "PixArtSigmaPipeline",
        "SanaPAGPipeline",
        "StableCascadeCombinedPipeline",
        "StickerPipeline",
        "WuerstchenCombinedPipeline",
    )
)


def takes_loras_class(name: str) -> bool:
    """Whether a LoRA can be laid over a pipeline class."""
    return name not in _WITHOUT_LORA


def methods_of(folder: Path) -> tuple[Method, ...]:
    """What the model in ``folder`` can; everything where it does not say, as the job says what is wrong with it."""
    name = _class_of(folder)
    return METHODS if name is None else methods_of_class(name)


def takes_loras(folder: Path) -> bool:
    """Whether a LoRA can be laid over the model in ``folder``; also where it does not say."""
    name = _class_of(folder)
    return name is None or takes_loras_class(name)


def _class_of(folder: Path) -> str | None:
    try:
        name = json.loads((folder / "model_index.json").read_text("utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(name).replace("Img2ImgPipeline", "Pipeline").replace("InpaintPipeline", "Pipeline")
