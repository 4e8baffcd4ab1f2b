"""The judge: says which caption a picture has and in which style it is drawn. It measures the sticker model.

A convolutional network of its own, trained on real pictures only (``judge_training``): it never sees what the sticker
model makes and shares no weights with it. A picture and a caption's MiniLM vector are taken to one space, where those
that belong together point the same way (CLIP, Radford et al. 2021). What is under the last layer, 256 numbers a
picture, is what Fréchet distances are measured in. How a thing is drawn is seen by a second network beside the first,
since what tells the styles apart is of no use for telling the things apart: one that had to do both mistook twice as
many. A tenth of the names is held back from its training, to check it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from pipelines.errors import StudioError
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.network import Network, remembered
from pipelines.sticker.pairs import to_signed
from pipelines.sticker.text import WIDTH, encode
from pipelines.sticker.trainer import channels_last

#: one name in so many is held back from the judge's training
HELD_BACK = 10


@dataclass
class Judged:
    """``features`` [B, 256]; ``vectors`` [B, joint] of length 1, to lay beside captions'; ``styles`` [B, 5] logits."""

    features: Tensor
    vectors: Tensor
    styles: Tensor


class Residual(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))), at one resolution (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(*_convolution(width, width), nn.ReLU(), *_convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.inner(x))


class Hand(nn.Module):
    """Logits [B, styles] of how pictures [B, C, 64, 64] are drawn, from edges and surfaces wherever they are.

    ``width`` channels at half the edge, twice as many at a quarter, four times at an eighth; both what there is on
    average and the clearest sign of each kind count.
    """

    def __init__(self, in_channels: int, width: int, styles: int) -> None:
        super().__init__()
        self.seen = nn.Sequential(
            nn.PixelUnshuffle(2),
            *_convolution(4 * in_channels, width),
            nn.ReLU(),
            Residual(width),
            *_convolution(width, 2 * width, 2),
            nn.ReLU(),
            Residual(2 * width),
            *_convolution(2 * width, 4 * width, 2),
            nn.ReLU(),
            Residual(4 * width),
        )
        self.told = nn.Sequential(nn.BatchNorm1d(8 * width), nn.Linear(8 * width, styles))

    def forward(self, pictures: Tensor) -> Tensor:
        seen = self.seen(pictures).float()
        told: Tensor = self.told(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1))
        return told


class StickerJudge(Network):
    """``widths``: channels at 1/4, 1/8 and 1/16 of the edge, with so many residual blocks each; ``hand_width``: see
    ``Hand``."""

    @remembered
    def __init__(
        self,
        in_channels: int = 4,
        widths: tuple[int, int, int] = (128, 192, 256),
        depth: tuple[int, int, int] = (2, 1, 1),
        joint: int = 256,
        text_width: int = WIDTH,
        styles: int = len(STYLES),
        hand_width: int = 32,
    ) -> None:
        super().__init__()
        fine, middle, coarse = widths
        # nothing is computed at full resolution, where a CPU is slow
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            *_convolution(4 * in_channels, fine // 2),
            nn.ReLU(),
            *_convolution(fine // 2, fine, 2),
            nn.ReLU(),
            *(Residual(fine) for _ in range(depth[0])),
        )
        self.body = nn.Sequential(
            *_convolution(fine, middle, 2),
            nn.ReLU(),
            *(Residual(middle) for _ in range(depth[1])),
            *_convolution(middle, coarse, 2),
            nn.ReLU(),
            *(Residual(coarse) for _ in range(depth[2])),
        )
        self.to_joint = nn.Linear(coarse, joint)
        self.hand = Hand(in_channels, hand_width, styles)
        self.from_text = nn.Linear(text_width, joint, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(math.log(14.0)))  # of the softmax, learned

    def forward(self, pictures: Tensor) -> Judged:
        """[B, 4, 64, 64] in -1..1, premultiplied."""
        features = self.body(self.stem(pictures)).mean((2, 3)).float()
        return Judged(features, F.normalize(self.to_joint(features).float(), dim=-1), self.hand(pictures).float())

    def read(self, pooled: Tensor) -> Tensor:
        """MiniLM's vectors [..., 384] -> unit vectors [..., joint], to lay beside pictures."""
        return F.normalize(self.from_text(pooled).float(), dim=-1)


def _convolution(width: int, out: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    return nn.Conv2d(width, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out)


@torch.no_grad()
def look(judge: StickerJudge, pictures: Tensor, batch: int = 250) -> Judged:
    """What ``judge`` says of [N, 4, 64, 64] in -1..1, or of uint8 [N, 64, 64, 4]; on the CPU, in float32."""
    found = []
    for start in range(0, len(pictures), batch):
        part = pictures[start : start + batch]
        signed = to_signed(part) if part.dtype == torch.uint8 else part
        found.append(judge(signed.to(judge.device, memory_format=torch.channels_last)))
    features, vectors, styles = (
        torch.cat([getattr(part, name).cpu() for part in found]) for name in ("features", "vectors", "styles")
    )
    return Judged(features, vectors, styles)


def pooled_of(sentences: Sequence[str], tokenizer: Any, encoder: Any) -> Tensor:
    """MiniLM's vectors float32 [S, 384] of every sentence, on the CPU."""
    found: dict[str, Tensor] = {}
    order = sorted(set(sentences), key=len)  # sentences of about one length together
    for start in tqdm(range(0, len(order), 512), desc="sentences", unit="batch", mininterval=5):
        part = order[start : start + 512]
        found |= zip(part, encode(tokenizer, encoder, part).pooled.cpu(), strict=True)
    return torch.stack([found[sentence] for sentence in sentences])


def open_judge(folder: Path, device: torch.device) -> StickerJudge:
    """The judge in ``folder``. Raises ``StudioError`` where there is none."""
    if not (folder / "config.json").exists():
        raise StudioError(
            "sticker.judge",
            "There is no judge in {folder}. Train one with: python -m pipelines.sticker.judge_training --out {folder}",
            folder=str(folder),
        )
    found: StickerJudge = StickerJudge.from_pretrained(folder, torch_dtype=torch.float32)
    return channels_last(found.to(device)).eval()


def is_held_back(name: str) -> bool:
    """Whether drawings of this name (``captions.name_of``) are kept from the judge's training."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_BACK == 0
