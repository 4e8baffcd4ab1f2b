"""Any picture at two or four times its size, with the studio's own upscaler: no faces are made up, nothing is invented.

The network that draws stickers at 256 px (``pipelines.sticker.upscaler``) sees 64 px only in what is near each place,
so it takes a picture of any size, piece by piece: pieces overlap by more than it sees, which leaves no seams. It was
trained on drawings: edges and flat colours come out sharp, of photos it makes little more than good interpolation does.
Knows pictures and that network; not models of a catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from pipelines.base import Artifact, Event, Pipeline, Progress, Report, Result, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.upscale_request import UpscaleRequest, check_upscaled
from pipelines.pictures import open_drawing, png
from pipelines.sticker.pairs import from_signed, to_signed
from pipelines.sticker.upscaler import StickerUpscaler
from pipelines.streaming import Emit, events_of

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "sticker" / "upscaler"
FACTOR = 4
#: pixels of a piece, and how far it sees beyond: twelve convolutions of 3 x 3, and bicubic interpolation
PIECE, BEYOND = 160, 14


class UpscalePipeline(Pipeline):
    """The upscaler alone, for a picture of the library or one that was given."""

    shareable: ClassVar[bool] = False

    def __init__(self) -> None:
        self._network: StickerUpscaler | None = None

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Reads the network, which comes with the studio."""
        if weights is not None:
            raise ValueError(f"upscaling brings its own weights, and was given {weights}")
        report("loading")
        self._network = open_upscaler(device.torch_device)

    def run(self, request: UpscaleRequest, turn: Turn) -> Iterator[Event]:
        """``Progress`` in pieces, then the picture. Raises ``StudioError`` for a file that is none, or too large."""
        if self._network is None:
            raise RuntimeError("run before load")
        network = self._network

        def work(emit: Emit) -> None:
            began = turn.device_seconds
            with turn.aside():
                picture = open_drawing(turn.read(request.picture))
                check_upscaled(picture.size, request.factor)

            def after(done: int, total: int) -> None:
                turn.checkpoint()
                emit(Progress("upscaling", done, total, "piece"))

            found = upscaled(network, picture, request.factor, after)
            with turn.aside():
                facts = {"width": found.width, "height": found.height, "scale": request.factor}
                made = Artifact(f"upscaled-{request.factor}x.png", "image/png", png(found), request.title(), facts)
            was = f"{picture.width} x {picture.height}"
            emit(Result((made,), {"seconds": round(turn.device_seconds - began, 3), "was": was}))

        return events_of(work)

    def unload(self) -> None:
        """Drops the weights."""
        self._network = None

    def bytes_held(self) -> int:
        """Bytes of the network."""
        if self._network is None:
            return 0
        return sum(tensor.numel() * tensor.element_size() for tensor in self._network.state_dict().values())


def open_upscaler(device: torch.device, folder: Path = FOLDER) -> StickerUpscaler:
    """The network that comes with the studio, in float32: it has 200,000 weights."""
    reader: type[StickerUpscaler] = StickerUpscaler
    try:
        network: StickerUpscaler = reader.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise StudioError(
            "image.upscaler", "The upscaler that comes with the studio is missing or damaged. Install the studio again."
        ) from error
    return network.eval().requires_grad_(False).to(device)


@torch.no_grad()
def upscaled(
    network: StickerUpscaler, picture: Image.Image, factor: int, after: Callable[[int, int], None]
) -> Image.Image:
    """``picture`` at ``factor`` times its size; ``after`` is told (pieces done, pieces in all).

    Its transparency is upscaled with it; one without any comes back as RGB.
    """
    small = _premultiplied(picture.convert("RGBA"))
    height, width = small.shape[-2:]
    whole = torch.zeros(4, FACTOR * height, FACTOR * width, dtype=torch.uint8)
    places = [(top, left) for top in range(0, height, PIECE) for left in range(0, width, PIECE)]
    for done, (top, left) in enumerate(places, 1):
        above, before = min(top, BEYOND), min(left, BEYOND)
        around = small[..., top - above : top + PIECE + BEYOND, left - before : left + PIECE + BEYOND]
        high, wide = FACTOR * min(PIECE, height - top), FACTOR * min(PIECE, width - left)
        inner = _piece(network, around)[:, FACTOR * above :, FACTOR * before :][:, :high, :wide]
        whole[:, FACTOR * top : FACTOR * top + high, FACTOR * left : FACTOR * left + wide] = inner
        after(done, len(places))
    large = Image.fromarray(whole.movedim(0, -1).contiguous().numpy())
    large = large if picture.has_transparency_data else large.convert("RGB")
    return large if factor == FACTOR else large.reduce(FACTOR // factor)


def _piece(network: StickerUpscaler, small: Tensor) -> Tensor:
    """[1, 4, h, w] in -1..1 -> uint8 [4, 4 h, 4 w] with plain colours."""
    weight = next(network.parameters())
    found: Tensor = network(small.to(weight.device, weight.dtype), return_dict=False)
    return from_signed(found.float().clamp(-1, 1))[0].movedim(-1, 0).cpu()


def _premultiplied(picture: Image.Image) -> Tensor:
    """RGBA -> [1, 4, H, W] in -1..1. Pillow multiplies: what cannot be seen has no colour."""
    values = np.asarray(picture.convert("RGBa"))
    return to_signed(torch.from_numpy(values.copy()).unsqueeze(0))
