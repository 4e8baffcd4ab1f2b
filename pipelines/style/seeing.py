"""Looks at pictures with the VGG network: scores of a painting, and the network where it is first wanted.

Knows features and pixels; not how a painting came about. The file is read when something first wants to look, as most
paintings of a studio that was just started should not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.devices import Device
from pipelines.style.features import CONTENT, STYLE, Features, grams
from pipelines.style.photo import Pixels8
from pipelines.style.weights import fill

#: longer side at which pictures are compared, in pixels
EDGE = 192
#: strengths that the scores of a painting are shown among
STRENGTHS = (0.25, 0.5, 0.75, 1.0)


class Seeing:
    """The network of ``path`` on ``device``, once it is wanted."""

    def __init__(self, path: Path, device: Device) -> None:
        self._path, self._device = path, device
        self._features: Features | None = None

    def features(self) -> Features:
        """Raises ``StudioError`` where the file is missing or damaged."""
        if self._features is None:
            with torch.inference_mode(False):  # whoever looks first may not want slopes; others will
                self._features = self._read()
        return self._features

    def _read(self) -> Features:
        features, _ = fill(Features(), self._path, self._device.torch_device)
        narrow = torch.bfloat16 if self._device.dtype in ("bfloat16", "float16") else torch.float32
        for module in features.children():
            module.to(narrow, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return features

    def bytes_held(self) -> int:
        return 0 if self._features is None else sum(tensor.nbytes for tensor in self._features.parameters())

    def tensor(self, pixels: Pixels8) -> Tensor:
        """[height, width, 3] bytes -> [1, 3, height, width] in 0..1 on the device."""
        values = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None])
        return values.to(self._device.torch_device).float().div_(255)


@dataclass(frozen=True)
class Look:
    """What is compared of a picture: its features and its Gram matrices."""

    content: Tensor
    grams: Mapping[str, Tensor]


class Scores:
    """How much of ``photo`` a picture has kept, and how much of ``styles`` (pictures with weights) it has taken."""

    def __init__(
        self,
        seeing: Seeing,
        photo: Pixels8,
        styles: Sequence[tuple[float, Pixels8]],
        between: Callable[[], None],
    ) -> None:
        self._seeing, self._between = seeing, between
        self._photo_pixels = small(photo)
        self._photo = self._look(self._photo_pixels)
        looks = [(weight, self._look(small(style)).grams) for weight, style in styles]
        whole = sum(weight for weight, _ in looks)
        self._style = {name: sum((w / whole * found[name] for w, found in looks), torch.zeros(())) for name in STYLE}
        self._far = max(1e-6, self._distance(self._photo.grams))

    @torch.inference_mode()
    def _look(self, pixels: Pixels8) -> Look:
        maps = self._seeing.features()(self._seeing.tensor(pixels))
        self._between()
        return Look(maps[CONTENT].float(), grams(maps))

    def _distance(self, found: Mapping[str, Tensor]) -> float:
        """The mean over the maps of the squared distance of Gram matrices, of the sum of both powers: 0 to 1."""
        terms = [
            (found[name] - wanted.to(found[name].device)).square().sum()
            / (found[name].square().sum() + wanted.to(found[name].device).square().sum()).clamp_min(1e-12)
            for name, wanted in self._style.items()
        ]
        return float(torch.stack(terms).mean())

    def of(self, pixels: Pixels8) -> tuple[float, float]:
        """(content kept, style taken), each 0 to 1: of the photo itself 1 and 0.

        Content is 1 less the squared distance of the features of conv4_2 over the sum of their powers; style 1 less
        the distance of the Gram matrices to the style's over that of the photo.
        """
        return self._score(self._look(small(pixels)))

    def _score(self, look: Look) -> tuple[float, float]:
        apart = (look.content - self._photo.content).square().sum()
        power = look.content.square().sum() + self._photo.content.square().sum()
        kept = 1 - float(apart / power.clamp_min(1e-12))
        taken = 1 - self._distance(look.grams) / self._far
        return round(min(1.0, max(0.0, kept)), 4), round(min(1.0, max(0.0, taken)), 4)

    def among(self, paint: Pixels8) -> str:
        """The scores of ``paint`` at several strengths as JSON: [[strength, content kept, style taken], ...]."""
        photo, full = self._photo_pixels.astype(np.float32), small(paint).astype(np.float32)
        found: list[list[float]] = [[0.0, 1.0, 0.0]]
        for strength in STRENGTHS:
            mixed = np.rint(photo + strength * (full - photo)).astype(np.uint8)
            found.append([strength, *self._score(self._look(mixed))])
        return json.dumps(found)


def small(pixels: Pixels8) -> Pixels8:
    """``pixels`` with ``EDGE`` for the longer side, and at least 16 for the shorter one."""
    height, width, _ = pixels.shape
    factor = EDGE / max(height, width)
    size = (max(16, round(width * factor)), max(16, round(height * factor)))
    return np.asarray(
        Image.fromarray(pixels).resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC)
    )
