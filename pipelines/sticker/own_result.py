"""What a training on a person's pictures shows while it runs, and what it leaves: stickers and a file of weights.

Always drawn after the same captions from the same noise, so that what changes is what was learned. Knows networks and
pictures; not the training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from pipelines.base import Artifact, Result, Scalar, Turn
from pipelines.pictures import png
from pipelines.sticker.network import Network
from pipelines.sticker.own_examples import OwnExamples, space_of
from pipelines.sticker.own_weights import pack
from pipelines.sticker.pairs import from_signed
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.stage_flow import drawn

SHOWN, COLUMNS = 16, 4
STEPS, GUIDANCE = 16, 3.0
TOGETHER = 4  # stickers decoded at once: a moment, not a second
GAP = 2


class Board:
    """``parts``: the sticker model whose autoencoder and upscaler draw.

    ``facts`` are known before it begins, its ``seed`` among them; ``history`` is what the file shall say besides.
    """

    def __init__(
        self,
        parts: StickerPipeline,
        examples: OwnExamples,
        title: str,
        facts: Mapping[str, Scalar],
        history: Mapping[str, Any],
    ) -> None:
        self._vae, self._upscaler = parts.vae, parts.upscaler
        self._title, self._facts, self._history = title, facts, history
        places = examples.shown(SHOWN)
        self._half, self._place = examples.dtype == torch.bfloat16, examples.device
        self._said = examples.text(examples.said[places])
        self._styles = examples.styles[places].to(self._place)
        self.captions = tuple(examples.written[sentence] for sentence in examples.said[places].tolist())
        config = parts.transformer.config
        shape = (SHOWN, config["in_channels"], config["sample_size"], config["sample_size"])
        self._noise = torch.randn(shape, generator=torch.Generator().manual_seed(int(facts["seed"]))).to(self._place)

    def grid(self, network: Network, pause: Callable[[], None]) -> Image.Image:
        """The stickers at 64 px, as the network sees them. ``pause`` is called where somebody else might go first."""
        small = [from_signed(part) for part in self._small(network, pause)]
        return _composed(np.concatenate([np.asarray(part.cpu()) for part in small]))

    def result(self, network: Network, facts: Mapping[str, Scalar], turn: Turn) -> Result:
        """The file of the network's weights, and the stickers at 256 px; ``facts`` of the training join those known."""
        facts = {**facts, **self._facts}
        large = []
        with torch.no_grad():
            for part in self._small(network, turn.checkpoint):
                drawing = self._upscaler(part.to(self._upscaler.dtype), return_dict=False).float().clamp(-1, 1)
                large.append(np.asarray(from_signed(drawing).cpu()))
                turn.checkpoint()
        with turn.aside():
            data = pack(network, space_of(self._vae), {**self._history, **facts})
            sheet = png(_composed(np.concatenate(large)))
        return Result(
            (
                Artifact("stickers.safetensors", "application/octet-stream", data, self._title, facts),
                Artifact("samples.png", "image/png", sheet, self._title, facts),
            ),
            facts,
        )

    @torch.no_grad()
    def _small(self, network: Network, pause: Callable[[], None]) -> list[Tensor]:
        """[4, 4, 64, 64] in -1..1, premultiplied, four times."""
        with torch.autocast(self._place.type, torch.bfloat16, enabled=self._half):
            latents = drawn(network, self._noise, self._said, self._styles, STEPS, GUIDANCE, pause)
        found = []
        for part in torch.split(latents, TOGETHER):
            found.append(self._vae.draw(part.to(self._vae.dtype)).float().clamp(-1, 1))
            pause()
        return found


def _composed(pictures: npt.NDArray[np.uint8]) -> Image.Image:
    """uint8 [N, S, S, 4] in rows, with nothing between them."""
    count, edge = len(pictures), pictures.shape[1]
    step = edge + GAP * edge // 64
    rows = -(-count // COLUMNS)
    sheet = np.zeros((rows * step, COLUMNS * step, 4), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // COLUMNS * step, place % COLUMNS * step
        sheet[top : top + edge, left : left + edge] = picture
    return Image.fromarray(sheet[: rows * step - step + edge, : COLUMNS * step - step + edge])
