"""A quick look at a picture that is still latents: one small matrix instead of the decoder.

In the latents of a variational autoencoder each place is nearly a colour: rgb = W z + b, with W of 3 x C, at an
eighth of the size. W and b are known for the autoencoders of Stable Diffusion; for any other they are found once, by
least squares between some latents and what the decoder makes of them. A sticker's decoder is so small that it draws
the previews itself. Knows latents and colours, not the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from pipelines.base import Picture
from pipelines.pictures import webp
from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.pairs import from_signed

#: share of the denoising time that previews may take
SHARE = 0.05
#: seconds for which a preview is to be seen, before the next one or the picture itself
LASTS = 0.2
_LONG_SIDE = 384


class Look(Protocol):
    """A way to see latents. What holds the device is apart from what does not need it."""

    def take(self, pipe: Any, latents: Tensor, height: int, width: int) -> npt.NDArray[Any] | None:
        """What ``picture`` needs of the latents of a step, on the CPU; None where they have an unknown shape."""

    def picture(self, taken: npt.NDArray[Any]) -> Picture:
        """One WebP; several pictures lie side by side in rows."""


@dataclass(frozen=True)
class Colours:
    """``weights`` [3, C] and ``bias`` [3] that take latents to colours in 0..1."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def take(self, pipe: Any, latents: Tensor, height: int, width: int) -> npt.NDArray[np.float32] | None:
        """[N, C, H, W]."""
        plain = plain_latents(pipe, latents, height, width)
        return plain if plain is not None and plain.shape[1] == self.weights.shape[1] else None

    def picture(self, taken: npt.NDArray[np.float32]) -> Picture:
        """``taken``: latents [N, C, H, W]."""
        # before the last steps most of it is noise, in some schedulers far above 1: bring it to the decoder's range
        spread = np.maximum(taken.std(axis=(1, 2, 3), keepdims=True), 1.0)
        colours = np.einsum("rc,nchw->nhwr", self.weights, taken / spread) + self.bias  # [N, H, W, 3]
        values = (colours.clip(0, 1) * 255).round().astype(np.uint8)
        sheet = Image.fromarray(_sheet(values))
        scale = min(8, max(1, _LONG_SIDE // max(sheet.size)))
        return webp(sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.BILINEAR), quality=70)


@dataclass(frozen=True)
class Drawn:
    """What the sticker model's decoder draws at 64 px, which takes less time than one step, and is transparent too."""

    vae: StickerAutoencoder

    @torch.no_grad()
    def take(self, pipe: Any, latents: Tensor, height: int, width: int) -> npt.NDArray[np.uint8]:
        """[N, 64, 64, 4]."""
        del pipe, height, width
        drawn: Any = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)
        return from_signed(drawn[0]).cpu().numpy()

    def picture(self, taken: npt.NDArray[np.uint8]) -> Picture:
        return webp(Image.fromarray(_sheet(taken)), quality=70)


def _sheet(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """[N, H, W, C] -> one picture, in rows as long as there are rows."""
    count, height, width, channels = pictures.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * height, columns * width, channels), np.uint8)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    return sheet


def _numbers(values: list[Any], scale: float = 1.0) -> npt.NDArray[np.float32]:
    return np.multiply(values, scale).astype(np.float32)


# Stable Diffusion 1 and 2, there for colours in -1..1:
# https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204/2
_SD = Colours(
    _numbers([[0.149, 0.0935, -0.079, -0.092], [0.1035, 0.143, 0.0945, -0.1355], [0.104, 0.0865, 0.132, -0.2365]]),
    _numbers([0.5, 0.5, 0.5]),
)
# SDXL: T. A. Vass, https://huggingface.co/blog/TimothyAlexisVass/explaining-the-sdxl-latent-space
_SDXL = Colours(
    _numbers([[60, -60, 25, -70], [60, -5, 15, -50], [60, 10, -5, -35]], 1 / 255),
    _numbers([150, 140, 130], 1 / 255),
)
_KNOWN = {0.18215: _SD, 0.13025: _SDXL}


def look_of(vae: Any) -> Look | None:
    """How to see latents of ``vae`` soon. May decode a small picture, so call it while holding the device."""
    return Drawn(vae) if isinstance(vae, StickerAutoencoder) else colours_of(vae)


def colours_of(vae: Any) -> Colours | None:
    """The matrix for ``vae``. Decodes a small picture where it is not known, so call it while holding the device.

    None where there is nothing to decode with, or where its latents are not [N, C, H, W].
    """
    config = getattr(vae, "config", None)
    if config is None or not hasattr(vae, "decode") or "scaling_factor" not in config:
        return None
    if config.get("latent_channels") == 4 and config["scaling_factor"] in _KNOWN:
        return _KNOWN[config["scaling_factor"]]
    return fit_colours(vae)


@torch.no_grad()
def fit_colours(vae: Any, size: int = 8, count: int = 4) -> Colours:
    """Least squares over ``count`` pictures of ``size`` x ``size`` smooth latents and their decoded colours."""
    channels = int(vae.config["latent_channels"])
    source = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, channels, size // 2, size // 2, generator=source)
    latents = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear") * 1.5
    scaled = latents / vae.config["scaling_factor"] + (vae.config.get("shift_factor") or 0.0)
    decoded = vae.decode(scaled.to(vae.device, vae.dtype), return_dict=False)[0]  # [N, 3, H, W] in -1..1
    colours = torch.nn.functional.adaptive_avg_pool2d(decoded.float().cpu(), (size, size)) / 2 + 0.5
    known = latents.movedim(1, -1).reshape(-1, channels)  # [N * size * size, C]
    ones = torch.ones(len(known), 1)
    wanted = colours[:, :3].movedim(1, -1).reshape(-1, 3)
    found = torch.linalg.lstsq(torch.cat([known, ones], 1), wanted).solution  # [C + 1, 3]
    return Colours(found[:-1].T.numpy(), found[-1].numpy())


def plain_latents(pipe: Any, latents: Tensor, height: int, width: int) -> npt.NDArray[np.float32] | None:
    """Latents of a step as [N, C, H, W] on the CPU, unpacked where the pipeline packs them; None for other shapes."""
    if latents.ndim == 3 and hasattr(pipe, "_unpack_latents"):
        latents = pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)
    if latents.ndim == 5 and latents.shape[2] == 1:
        latents = latents.squeeze(2)
    if latents.ndim != 4:
        return None
    values: npt.NDArray[np.float32] = latents.detach().float().cpu().numpy()
    return values


def straight_on(scheduler: Any, before: Tensor | None, after: Tensor, index: int) -> Tensor:
    """Where the latents would end if the flow went straight on from step ``index``: long before they are free of noise.

    On the straight way between a picture and noise (Lipman et al. 2023) the picture is z - sigma v, and a step of
    Euler's tells v: the difference of the latents over that of the sigmas. Any other scheduler: ``after`` as it is.
    """
    if before is None or type(scheduler).__name__ != "FlowMatchEulerDiscreteScheduler":
        return after
    index += scheduler.begin_index or 0  # from a picture the way begins later
    now, then = float(scheduler.sigmas[index]), float(scheduler.sigmas[index + 1])
    return after if now == then else after - then * (after - before) / (then - now)


class Budget:
    """When a preview is due: every eighth of the way, as long as all of them took at most ``SHARE`` of the time.

    None is due that would be gone again before it was seen.
    """

    def __init__(self) -> None:
        self.denoising = 0.0
        self.previews = 0.0
        self.shown = 0
        self.shown_at = 0.0

    def due(self, step: int, total: int) -> bool:
        """Whether to draw one after ``step`` of ``total``. The first is drawn by half-way, whatever it costs."""
        if step >= total or step % max(1, round(total / 8)):
            return False
        if self.shown == 0:
            return 2 * step >= total or self.denoising > 1.0
        cost, left = self.previews / self.shown, self.denoising / step * (total - step)
        seen = min(self.denoising - self.shown_at, left) >= LASTS
        return seen and self.previews + cost <= SHARE * self.denoising

    def spent(self, seconds: float) -> None:
        """One preview took ``seconds``."""
        self.previews += seconds
        self.shown += 1
        self.shown_at = self.denoising
