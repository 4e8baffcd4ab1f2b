"""Trains the judge: ``python -m pipelines.sticker.judge_training --encoder DIR --minutes 8 --resume``.

On drawings, recoloured drawings and pairs, each with its captions; other colours and other pairs than the sticker model
learns from, never one of its pictures, and nothing of the names held back. What the judge has to find is the right
caption among those of the batch and thousands of others (InfoNCE, van den Oord et al. 2018), where what else may be
said of a picture counts neither for nor against it. Pictures are moved, mirrored, softened and made noisy a little, so
that it judges what is drawn and not how crisp it is. A line every quarter of a minute; after a kill the same command
with ``--resume`` goes on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pipelines.sticker.captions import name_of
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import STYLES, Drawing
from pipelines.sticker.exam import CHOICES, choices_of
from pipelines.sticker.examples import SHARES, Gathered, gather
from pipelines.sticker.exhibits import captioned
from pipelines.sticker.held_out import is_held_out
from pipelines.sticker.judge import StickerJudge, is_held_back, look, pooled_of
from pipelines.sticker.measures import is_first
from pipelines.sticker.pairs import to_signed
from pipelines.sticker.text import open_encoder
from pipelines.sticker.trainer import Trainer, channels_last, plain_config

#: of the colours and pairs; the sticker model's are made with 0
SEED = 1
#: captions from anywhere that every picture is also compared with
OTHERS = 4096
#: how much the way from caption to picture and the style count beside the way from picture to caption
BACK, STYLE = 0.5, 1.0
#: no drawing is all of one style (Szegedy et al. 2016, section 7)
SMOOTHED = 0.05
#: words of what would be wrong in a mirror
_LOPSIDED = {"left", "right", "arrow", "button", "clock", "o'clock", "clockwise", "letters", "keycap", "sign", "symbol"}


class LearnedData(StickerData):
    """The training set without the drawings whose names are held back."""

    @cached_property
    def drawings(self) -> tuple[Drawing, ...]:
        whole = StickerData(self.folder).drawings
        return tuple(whole[number] for number in self._kept)

    @cached_property
    def pictures(self) -> npt.NDArray[np.uint8]:
        return StickerData(self.folder).pictures[self._kept]

    @cached_property
    def _kept(self) -> list[int]:
        whole = StickerData(self.folder).drawings
        return [number for number, drawing in enumerate(whole) if not is_held_back(name_of(drawing))]


class HeldBack:
    """Drawings whose names the judge does not learn, and the names to choose among for each."""

    def __init__(self, data: StickerData, tokenizer: Any, encoder: Any) -> None:
        numbers = [number for number, drawing in enumerate(data.drawings) if is_held_back(name_of(drawing))]
        self.styles = torch.tensor([STYLES.index(data.drawings[number].style) for number in numbers])
        self.names = [name_of(data.drawings[number]) for number in numbers]
        self.pictures = torch.from_numpy(data.pictures[numbers])
        self.pooled = pooled_of(self.names, tokenizer, encoder)
        self.choices = choices_of(self.names, self.names)

    def score(self, judge: StickerJudge) -> tuple[float, float]:
        """Share of the drawings whose own name comes first among a hundred, and of those whose style is told."""
        found = look(judge, self.pictures)
        with torch.no_grad():
            read = judge.read(self.pooled.to(judge.device)).cpu()
        told = found.styles.argmax(1) == self.styles
        return float(is_first(found.vectors, read, self.choices).float().mean()), float(told.float().mean())


class Lessons:
    """Pictures with all that may be said of each, but the names ``unsaid``.

    ``draw`` gives places of pictures, ``said`` a caption for each place.
    """

    def __init__(self, gathered: Gathered, unsaid: Collection[str], tokenizer: Any, encoder: Any) -> None:
        told = [_learned(said, frozenset(unsaid)) for said in gathered.said]
        kept = [place for place, said in enumerate(told) if said]
        told = [told[place] for place in kept]
        self.pictures = torch.stack([gathered.pictures[place] for place in kept])
        self.styles = torch.tensor([gathered.styles[place] for place in kept])
        self.may_mirror = torch.tensor([_may_mirror([sentence for sentence, _ in said]) for said in told])
        kinds = torch.tensor([gathered.kinds[place] for place in kept])
        counts = torch.bincount(kinds, minlength=len(SHARES))
        self._chances = (torch.tensor(SHARES) / counts.clamp(min=1))[kinds]
        self.sentences = sorted({sentence for said in told for sentence, _ in said})
        self._said, self._weights = _table(told, self.sentences)
        self.pooled = pooled_of(self.sentences, tokenizer, encoder)

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Places [count] of pictures."""
        return torch.multinomial(self._chances, count, replacement=True, generator=random)

    def said(self, places: Tensor, random: torch.Generator) -> Tensor:
        """Numbers [count] of a caption of each."""
        chosen = torch.multinomial(self._weights[places], 1, generator=random)
        return self._said[places].gather(1, chosen).squeeze(1)

    def fits(self, places: Tensor, captions: Tensor) -> Tensor:
        """[places, captions]: whether a caption may be said of a picture."""
        may = torch.zeros(len(places), len(self.pooled), dtype=torch.bool)
        may.scatter_(1, self._said[places], True)
        return may[:, captions]


class JudgeStage:
    """``loss``: how surprised the judge is by the right caption, picture and style."""

    name = "judge"

    def __init__(
        self,
        lessons: Lessons,
        check: HeldBack,
        device: torch.device,
        batch: int = 128,
        rate: float = 1.5e-3,
        net: StickerJudge | None = None,
    ) -> None:
        self.batch, self.device = batch, device
        self.random = torch.Generator().manual_seed(SEED)
        torch.manual_seed(SEED)
        self.net = channels_last((net or StickerJudge()).to(device).train())
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(self.net.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.05)
        ]
        self._lessons, self._check = lessons, check

    def request(self) -> dict[str, Any]:
        return {"stage": self.name, **plain_config(self.net)}

    def loss(self) -> Tensor:
        places = self._lessons.draw(self.batch, self.random)
        pictures = changed(self._lessons.pictures[places], self._lessons.may_mirror[places], self.random)
        others = torch.randint(len(self._lessons.pooled), (OTHERS,), generator=self.random)
        captions = torch.cat([self._lessons.said(places, self.random), others])
        own = torch.arange(self.batch, device=self.device)
        also = self._lessons.fits(places, captions).to(self.device)
        also[own, own] = False
        with torch.autocast(self.device.type, torch.bfloat16):
            seen = self.net(pictures.to(self.device, memory_format=torch.channels_last))
            read = self.net.read(self._lessons.pooled[captions].to(self.device))
        alike = self.net.sharpness.exp().clamp(max=100) * (seen.vectors @ read.T)
        alike = alike.masked_fill(also, -1e4)
        back = F.cross_entropy(alike[:, : self.batch].T, own)
        styles = self._lessons.styles[places].to(self.device)
        style = F.cross_entropy(seen.styles, styles, label_smoothing=SMOOTHED)
        return F.cross_entropy(alike, own) + BACK * back + STYLE * style

    @torch.no_grad()
    def sheet(self, net: StickerJudge) -> Image.Image:
        """Drawings of names held back, with the name the judge puts first under each, and how often it is right."""
        shown = torch.linspace(0, len(self._check.names) - 1, min(48, len(self._check.names))).long()
        read = net.read(self._check.pooled.to(self.device)).cpu()
        chosen = self._check.choices[shown]
        alike = torch.einsum("nd,ncd->nc", look(net, self._check.pictures[shown]).vectors, read[chosen])
        best = chosen.gather(1, alike.argmax(1, keepdim=True)).squeeze(1).tolist()
        return captioned(to_signed(self._check.pictures[shown]), [self._check.names[place] for place in best], 12)

    def score(self, net: StickerJudge) -> tuple[float, float]:
        """Of the drawings with names held back, the shares whose name and whose style it finds."""
        return self._check.score(net)


def changed(pictures: Tensor, mirrored: Tensor, random: torch.Generator) -> Tensor:
    """uint8 [B, 4, 64, 64] -> -1..1: moved and scaled a little, softened, noisy; the half of ``mirrored`` mirrored."""
    count = len(pictures)
    found = pictures.float() / 255
    chance = torch.rand(8, count, generator=random)
    turn = torch.where(mirrored & (chance[0] < 0.5), -1.0, 1.0)
    zoom = 0.9 + 0.22 * chance[1]
    moves = (chance[2:4] - 0.5) * 0.16
    way = torch.zeros(count, 2, 3)
    way[:, 0, 0], way[:, 1, 1], way[:, :, 2] = turn * zoom, zoom, moves.T
    found = F.grid_sample(found, F.affine_grid(way, list(found.shape), align_corners=False), align_corners=False)
    soft = (chance[4] - 0.4).clamp(min=0)
    found = found + soft.view(-1, 1, 1, 1) * (F.avg_pool2d(found, 3, 1, 1) - found)
    noise = torch.randn(found.shape, generator=random) * (0.04 * chance[5].square()).view(-1, 1, 1, 1)
    return (found + noise).clamp(0, 1) * 2 - 1


def _learned(said: list[tuple[str, float]], unsaid: frozenset[str]) -> list[tuple[str, float]]:
    """What the judge may be told of a picture: nothing at all of a new combination."""
    if any(is_held_out(set(sentence.split())) for sentence, _ in said):
        return []
    return [(sentence, weight) for sentence, weight in said if sentence not in unsaid]


def _table(told: list[list[tuple[str, float]]], sentences: list[str]) -> tuple[Tensor, Tensor]:
    """Numbers of the sentences of each picture [N, most], and how often each: filled up with one that is never."""
    number = {sentence: place for place, sentence in enumerate(sentences)}
    most = max(len(said) for said in told)
    numbers, weights = torch.zeros(len(told), most, dtype=torch.long), torch.zeros(len(told), most)
    for row, said in enumerate(told):
        numbers[row] = number[said[0][0]]
        numbers[row, : len(said)] = torch.tensor([number[sentence] for sentence, _ in said])
        weights[row, : len(said)] = torch.tensor([weight for _, weight in said])
    return numbers, weights


def _may_mirror(captions: list[str]) -> bool:
    """Whether they all stay true of the picture in a mirror."""
    words = {word for caption in captions for word in caption.replace(",", "").split()}
    return not words & _LOPSIDED and not any(character.isdigit() for word in words for character in word)


def main() -> None:
    """The command."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer, encoder = open_encoder(given.encoder)
    encoder.to(device)
    check = HeldBack(StickerData(given.data), tokenizer, encoder)
    lessons = Lessons(gather(LearnedData(given.data), SEED), check.names, tokenizer, encoder)
    stage = JudgeStage(lessons, check, device)
    trainer = Trainer(stage, given.out / "training", decay=0.995)
    if given.resume:
        trainer.resume()
    print(f"judge: {sum(p.numel() for p in stage.net.parameters()):,} parameters on {device}", flush=True)  # noqa: T201
    for line in trainer.run(given.minutes, cool=given.cool):
        print(line, flush=True)  # noqa: T201 - a command's answer
    assert isinstance(trainer.average, StickerJudge)
    trainer.average.save_pretrained(given.out)
    name, style = stage.score(trainer.average)
    print(f"judge: of the drawings held back {name:.3f} by name among {CHOICES}, {style:.3f} by style")  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.sticker.judge_training", description=__doc__)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    parser.add_argument("--data", type=Path, default=Path("data/sticker"), help="what pipelines.sticker.data built")
    parser.add_argument("--encoder", type=Path, required=True, help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, default=Path("data/sticker/judge"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cool", type=float, default=0.4, help="share of the minutes in which the rate falls")
    return parser.parse_args()


if __name__ == "__main__":
    main()
