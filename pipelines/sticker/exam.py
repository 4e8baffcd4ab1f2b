"""What the sticker model is asked to draw for its figures, and what its stickers are compared with.

Everything follows from the training set and fixed seeds. Knows drawings and captions; neither the model nor the judge.

- Two sets of real drawings, ``asked`` and ``other``, that share no drawing and have equally many of each style. The
  model draws the captions of ``asked``, one sticker each, and its Fréchet distance is that to ``other``: what a real
  set of that size has to ``other`` is the floor. So stickers and floor differ in nothing but who drew.
- ``known``: the first of ``asked``, all of different names, as many of each style.
- The hundred new combinations of ``held_out``; each is asked for in several styles. The captions to choose among are
  the hundred themselves, so that the others are of the same kind ("purple dog" beside "purple frog").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pipelines.sticker.captions import name_of
from pipelines.sticker.colours import WORDS, recoloured
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import STYLES, Drawing
from pipelines.sticker.held_out import NEW
from pipelines.sticker.judge import is_held_back
from pipelines.sticker.measures import choices
from pipelines.sticker.pairs import pair

KNOWN, CHOICES = 300, 100


@dataclass(frozen=True)
class Wanted:
    """One sticker to draw."""

    caption: str
    style: str
    seed: int


@dataclass(frozen=True)
class Exam:
    """``size`` drawings are asked for; each new combination in ``repeats`` styles."""

    data: StickerData
    size: int = 1500
    repeats: int = 3

    @cached_property
    def halves(self) -> tuple[list[int], list[int]]:
        """Numbers of ``asked`` and ``other``; the ``known`` come first."""
        asked, other = halves([drawing.style for drawing in self.data.drawings], self.size, 0)
        known = distinct(self.data.drawings, asked, KNOWN)
        taken = set(known)
        return [*known, *(number for number in asked if number not in taken)], other

    @cached_property
    def known(self) -> list[int]:
        """Numbers of drawings of different names."""
        return distinct(self.data.drawings, self.halves[0], KNOWN)

    @cached_property
    def held_back(self) -> list[int]:
        """The same of names the judge has not learned."""
        mine = [number for number, drawing in enumerate(self.data.drawings) if is_held_back(name_of(drawing))]
        return distinct(self.data.drawings, mine, KNOWN)

    def asked(self) -> list[Wanted]:
        """A sticker for each of ``asked``."""
        drawings = [self.data.drawings[number] for number in self.halves[0]]
        return [Wanted(name_of(drawing), drawing.style, seed) for seed, drawing in enumerate(drawings)]

    def new(self) -> list[Wanted]:
        """The new combinations, all once, then all again in the next style."""
        return [
            Wanted(caption, STYLES[(place + again) % len(STYLES)], 100_000 + 1000 * again + place)
            for again in range(self.repeats)
            for place, caption in enumerate(NEW)
        ]

    def names(self, numbers: Sequence[int]) -> list[str]:
        """What those drawings are called."""
        return [name_of(self.data.drawings[number]) for number in numbers]

    def constructed(self) -> dict[str, Tensor]:
        """New combinations as real drawings give them, recoloured or in a pair: caption to [4, 64, 64] in -1..1.

        No model drew these and no training has seen them: they say whether the judge knows such a thing when it sees
        it. Only where the drawings are there.
        """
        found = {}
        for place, caption in enumerate(NEW):
            for again in range(len(STYLES)):
                picture = self._constructed(caption, STYLES[(place + again) % len(STYLES)])
                if picture is not None:
                    found[caption] = picture * 2 - 1
                    break
        return found

    def _constructed(self, caption: str, style: str) -> Tensor | None:
        one, joined, two = caption.partition(" and ")
        colour, _, thing = caption.partition(" ")
        if joined:
            left, right = self._picture(one, style), self._picture(two, style)
            return pair(left[None], right[None])[0] if left is not None and right is not None else None
        picture = self._picture(thing, style) if colour in WORDS else None
        return recoloured(picture, colour) if picture is not None else None

    def _picture(self, name: str, style: str) -> Tensor | None:
        number = self._places.get((name, style))
        return torch.from_numpy(self.data.pictures[number]).movedim(-1, 0).float() / 255 if number is not None else None

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        return {(name_of(drawing), drawing.style): number for number, drawing in enumerate(self.data.drawings)}


_COLOURS = {caption.split()[0] for caption in NEW} & {
    "red",
    "orange",
    "yellow",
    "green",
    "turquoise",
    "blue",
    "purple",
    "pink",
}


def choices_of(names: Sequence[str], own: Sequence[str]) -> Tensor:
    """For each of ``own`` the places of a hundred of ``names``, its own first; always the same ones."""
    return choices(own, names, CHOICES, torch.Generator().manual_seed(0))


def halves(styles: Sequence[str], size: int, seed: int) -> tuple[list[int], list[int]]:
    """Two lists of ``size`` numbers that share none, with equally many of each style; fewer where there are not enough.

    In turns through the styles.
    """
    random = torch.Generator().manual_seed(seed)
    sides: tuple[list[list[int]], list[list[int]]] = ([], [])
    for style in STYLES:
        mine = [number for number, other in enumerate(styles) if other == style]
        shuffled = [mine[place] for place in torch.randperm(len(mine), generator=random).tolist()]
        count = min(size // len(STYLES), len(mine) // 2)
        sides[0].append(shuffled[:count])
        sides[1].append(shuffled[count : 2 * count])
    return _in_turns(sides[0]), _in_turns(sides[1])


def distinct(drawings: Sequence[Drawing], numbers: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of ``numbers`` of different names, equally many of each style where they can be had."""
    found: list[list[int]] = [[] for _ in STYLES]
    seen: set[str] = set()
    for number in numbers:
        name, mine = name_of(drawings[number]), found[STYLES.index(drawings[number].style)]
        if name not in seen and len(mine) < count // len(STYLES):
            seen.add(name)
            mine.append(number)
    return _in_turns(found)


def _in_turns(lists: Sequence[list[int]]) -> list[int]:
    longest = max(len(each) for each in lists)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]
