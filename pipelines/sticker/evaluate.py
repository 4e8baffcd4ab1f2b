"""Measures the sticker model: ``python -m pipelines.sticker.evaluate --model DIR --judge DIR --encoder DIR``.

It draws what ``exam`` asks for, always from the same seeds, and ``judge`` looks at that. Prints a line a figure; the
last line is one JSON object. With ``--out``, sheets to look at.

- ``known_r1``: how often the right caption comes first among 100, for stickers of captions the model learned;
  ``real_r1``: the same of the real drawings with the same captions and the same 99 others. Most of them the judge has
  learned; ``real_r1_held_out`` is its score on names it has not. ``known_r1_over_real`` is the quotient.
- ``new_r1``: the same for new combinations, among the hundred of them. There are no real pictures of those, so
  ``new_r1_over_real`` is over ``real_r1`` too. ``new_r1_constructed`` is what the judge makes of such combinations as
  made of real drawings, recoloured or in pairs: about the most that stickers can reach with it. ``new_seen`` of them
  turned out to be in the training set after all and are not scored.
- ``style_accuracy``: how often the judge sees the style that was asked for, over all stickers; ``style_accuracy_real``
  on drawings of names it has not learned.
- ``fd``: the Fréchet distance in the judge's features between stickers for the captions of one set of real drawings
  and another real set; ``floor``: between real sets of that size, the mean over ``SPLITS`` pairs of them.
- ``copies``: see ``Evaluation.copies``.
- ``psnr_gain_db``: how much closer than bicubic interpolation the upscaler comes to the true 256 px, of drawings it was
  not trained on; the mean over drawings.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from pipelines.devices import pick_device
from pipelines.sticker.candidate import Candidate, to_bytes
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.exam import Exam, Wanted, choices_of, halves
from pipelines.sticker.examples import Gathered, gather
from pipelines.sticker.exhibits import captioned, side_by_side
from pipelines.sticker.held_out import NEW
from pipelines.sticker.judge import Judged, StickerJudge, look, open_judge, pooled_of
from pipelines.sticker.loading import open_stickers
from pipelines.sticker.measures import between, frechet, is_first, nearest
from pipelines.sticker.pairs import to_signed
from pipelines.sticker.stage_upscaler import KEPT_OUT
from pipelines.sticker.upscaler import bicubic, psnr

SPLITS = 5
SHOWN = 60
Figures = dict[str, Any]

WORDS = (
    "right caption first among 100: known {known_r1:.1%}, real {real_r1:.1%}, so {known_r1_over_real:.2f}",
    "  real ones with names the judge has not learned: {real_r1_held_out:.1%}",
    "new combinations: {new_r1:.1%}, so {new_r1_over_real:.2f} of real; left out as seen in training: {new_seen}",
    "  {new_constructed} of them made of real drawings: {new_r1_constructed:.1%}",
    "style as asked for: {style_accuracy:.1%}; of real drawings: {style_accuracy_real:.1%}",
    "Fréchet distance: {fd:.4f}, floor {floor:.4f}, so {fd_over_floor:.2f}; {fd_pictures} pictures a side",
    "copies among the new: {copies:.1%} nearer than {copies_limit:.4f}; among the known {copies_known:.1%}",
    "  median distance of the new {copies_distance:.3f}; nearer than 1 % of all pairs {copies_any_pair:.1%}, "
    "of real drawings {copies_any_pair_real:.1%}",
    "256 px: {psnr:.2f} dB, bicubic {psnr_bicubic:.2f} dB, so {psnr_gain_db:+.2f} dB on {psnr_pictures} drawings",
)


@dataclass
class Evaluation:
    """A model with its judge; ``sheets`` are made on the way."""

    candidate: Candidate
    judge: StickerJudge
    exam: Exam
    sheets: dict[str, Image.Image] = field(default_factory=dict)

    def figures(self) -> Figures:
        """All of them."""
        found: Figures = {}
        for part in (self.captions, self.styles, self.distance, self.copies, self.upscaling):
            found |= part()
        return found

    # --------------------------------------------------------------------------------- what is judged

    @cached_property
    def drawn(self) -> Tensor:
        """Stickers [size, 4, 64, 64] for the captions of ``asked``; the known ones come first."""
        return self.candidate.draw(self.exam.asked())

    @cached_property
    def new(self) -> tuple[list[Wanted], Tensor]:
        """New combinations as asked for, and the stickers."""
        wanted = self.exam.new()
        return wanted, self.candidate.draw(wanted)

    @cached_property
    def judged(self) -> Judged:
        """The judge on ``drawn``."""
        return look(self.judge, self.drawn)

    @cached_property
    def judged_new(self) -> Judged:
        """The judge on ``new``."""
        return look(self.judge, self.new[1])

    @cached_property
    def real(self) -> Judged:
        """The judge on all real drawings."""
        return look(self.judge, torch.from_numpy(self.exam.data.pictures))

    @cached_property
    def gathered(self) -> Gathered:
        """What the model was trained on."""
        return gather(self.exam.data)

    def _first(self, vectors: Tensor, own: Sequence[str], names: Sequence[str]) -> Tensor:
        """1 where a picture's own name comes first among a hundred of ``names``."""
        pooled = pooled_of(names, self.candidate.pipe.tokenizer, self.candidate.pipe.text_encoder)
        with torch.no_grad():
            read = self.judge.read(pooled.to(self.judge.device)).cpu()
        return is_first(vectors, read, choices_of(names, own)).float()

    # ------------------------------------------------------------------------------------- the figures

    def captions(self) -> Figures:
        """Right captions first: of known, real and new ones."""
        known, held = self.exam.known, self.exam.held_back
        names, held_names = self.exam.names(known), self.exam.names(held)
        mine = _mean(self._first(self.judged.vectors[: len(known)], names, names))
        real = _mean(self._first(self.real.vectors[known], names, names))
        new = self._new()
        at_least = max(real, 1 / len(known))  # a judge that knows nothing is no reason to divide by nothing
        self._show_known(names)
        return {
            "known_r1_over_real": mine / at_least,
            "new_r1_over_real": new["new_r1"] / at_least,
            "known_r1": mine,
            "real_r1": real,
            "real_r1_held_out": _mean(self._first(self.real.vectors[held], held_names, held_names)),
            **new,
        }

    def _new(self) -> Figures:
        wanted, pictures = self.new
        seen = {sentence for said in self.gathered.said for sentence, _ in said} & set(NEW)
        right = self._first(self.judged_new.vectors, [each.caption for each in wanted], NEW)
        made = self.exam.constructed()
        under = [f"{each.caption}, {each.style}" for each in wanted[: len(NEW)]]
        self.sheets["new"] = captioned(pictures[: len(NEW)], under, 10)
        return {
            "new_r1": _mean(right[torch.tensor([each.caption not in seen for each in wanted])]),
            "new_seen": len(seen),
            "new_r1_constructed": self._constructed(made) if made else 0.0,
            "new_constructed": len(made),
        }

    def _constructed(self, made: dict[str, Tensor]) -> float:
        return _mean(self._first(look(self.judge, torch.stack(list(made.values()))).vectors, list(made), NEW))

    def styles(self) -> Figures:
        """Styles as asked for, over all stickers."""
        asked = torch.tensor([STYLES.index(each.style) for each in (*self.exam.asked(), *self.new[0])])
        seen = torch.cat([self.judged.styles, self.judged_new.styles]).argmax(1)
        held, drawings = self.exam.held_back, self.exam.data.drawings
        true = torch.tensor([STYLES.index(drawings[number].style) for number in held])
        return {
            "style_accuracy": _mean((seen == asked).float()),
            "style_accuracy_real": _mean((self.real.styles[held].argmax(1) == true).float()),
        }

    def distance(self) -> Figures:
        """Fréchet distance of stickers to real drawings, and of real ones to each other."""
        real, (asked, other) = self.real.features, self.exam.halves
        own = frechet(self.judged.features, real[other])
        styles = [drawing.style for drawing in self.exam.data.drawings]
        pairs = [(asked, other), *(halves(styles, self.exam.size, seed) for seed in range(1, SPLITS))]
        floor = sum(frechet(real[one], real[two]) for one, two in pairs) / len(pairs)
        return {"fd_over_floor": own / floor, "fd": own, "floor": floor, "fd_pictures": len(asked)}

    def copies(self) -> Figures:
        """Share of stickers of new combinations that lie nearer to a training picture than real drawings do.

        Nearer than 99 of 100 real drawings lie to the nearest of another name: root mean squared difference of the
        premultiplied pixels at 64 px, where a copy is a copy; in the judge's features a good dog is near every dog.
        Recoloured drawings and pairs are training pictures too. All are taken as the autoencoder draws them, because
        it draws the stickers: what the model knows by heart then lies at 0, and not at what the autoencoder loses.
        ``copies_known`` is the same of captions the model learned, where copies are what it should make: it says that
        the measure sees them. ``copies_any_pair`` takes the 1st percentile over all pairs of real drawings instead,
        a limit so wide that most real drawings are copies by it: ``copies_any_pair_real``.
        """
        training = self.candidate.redraw(self.gathered.pictures)
        real = training[torch.tensor(self.gathered.kinds) == 0]
        apart, _ = nearest(real, real, self.exam.names(range(len(real))))
        limit = float(apart.quantile(0.01))
        wide = float(between(real, 1500, torch.Generator().manual_seed(0)).quantile(0.01))
        away, places = nearest(to_bytes(self.new[1]), training)
        known, _ = nearest(to_bytes(self.drawn[: len(self.exam.known)]), training)
        self._show_nearest(training, away, places)
        return {
            "copies": _mean((away < limit).float()),
            "copies_new": int((away < limit).sum()),
            "copies_limit": limit,
            "copies_known": _mean((known < limit).float()),
            "copies_distance": float(away.median()),
            "copies_any_pair": _mean((away < wide).float()),
            "copies_any_pair_real": _mean((apart < wide).float()),
        }

    def upscaling(self) -> Figures:
        """Decibels to the true 256 px; ``size`` says how many of the drawings kept out are measured."""
        data = self.exam.data
        kept = list(range(0, len(data.drawings), KEPT_OUT))
        kept = kept[:: -(-2 * len(kept) // self.exam.size)]
        found = []
        for start in tqdm(range(0, len(kept), 16), desc="upscaler", unit="batch", mininterval=5):
            part = kept[start : start + 16]
            small, true = (to_signed(torch.from_numpy(each)) for each in (data.pictures[part], data.large(part)))
            plain, ours = bicubic(small), self.candidate.enlarge(small)
            found.append(torch.stack([psnr(plain, true), psnr(ours, true)], 1))
            if start == 0:
                under = [word for a, b in found[0] for word in (f"bicubic {a:.1f} dB", f"ours {b:.1f} dB", "true")]
                self.sheets["upscaler"] = side_by_side([plain, ours, true], under, 6, 256)
        smooth, sharp = torch.cat(found).mean(0).tolist()
        return {"psnr_gain_db": sharp - smooth, "psnr": sharp, "psnr_bicubic": smooth, "psnr_pictures": len(kept)}

    # -------------------------------------------------------------------------------------- the sheets

    def _show_known(self, names: Sequence[str]) -> None:
        """Stickers, each beside the real drawing."""
        numbers, data = self.exam.known[:SHOWN], self.exam.data
        real = to_signed(torch.from_numpy(data.pictures[numbers]))
        styles = [data.drawings[number].style for number in numbers]
        under = [word for pair in zip(names, styles, strict=False) for word in (", ".join(pair), "(real)")]
        self.sheets["known"] = side_by_side([self.drawn[: len(real)], real], under, 12)

    def _show_nearest(self, training: Tensor, away: Tensor, places: Tensor) -> None:
        """The hundred, each beside its nearest training picture with its distance; the nearest first."""
        wanted, pictures = self.new
        order = away[: len(NEW)].argsort()
        theirs = training[places[order]].float() / 127.5 - 1
        under = []
        for place in order.tolist():
            said = self.gathered.said[int(places[place])][0][0]
            under += [wanted[place].caption, f"{float(away[place]):.3f} {said}"]
        self.sheets["nearest"] = side_by_side([pictures[order], theirs], under, 12)


def _mean(values: Tensor) -> float:
    return float(values.mean())


def main() -> None:
    """The command."""
    given = _arguments()
    began = time.monotonic()
    torch.set_num_threads(given.threads)
    device = pick_device()
    pipe = open_stickers(given.model, given.encoder, device.torch_device, device.torch_dtype)
    pipe.set_progress_bar_config(disable=True)
    judge = open_judge(given.judge, device.torch_device)
    exam = Exam(StickerData(given.data), *((400, 1) if given.quick else ()))
    evaluation = Evaluation(Candidate(pipe, given.steps, given.guidance), judge, exam)
    figures = evaluation.figures()
    for line in WORDS:
        print(line.format(**figures))  # noqa: T201 - a command's answer
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        for name, sheet in evaluation.sheets.items():
            sheet.save(given.out / f"{name}.webp", quality=85)
    figures |= {"seconds": time.monotonic() - began, "device": device.name, "dtype": device.dtype}
    figures |= {name: getattr(given, name) for name in ("threads", "steps", "guidance", "quick")}
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps(rounded))  # noqa: T201 - a command's answer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.sticker.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("assets/sticker"), help="the folder with model_index.json")
    parser.add_argument("--judge", type=Path, default=Path("data/sticker/judge"), help="what judge_training wrote")
    parser.add_argument("--data", type=Path, default=Path("data/sticker"), help="what pipelines.sticker.data built")
    parser.add_argument("--encoder", type=Path, required=True, help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--out", type=Path, default=None, help="a folder for the sheets")
    parser.add_argument("--quick", action="store_true", help="400 known ones and each new one once: rougher figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
