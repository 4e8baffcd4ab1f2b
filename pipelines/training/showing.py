"""Which pictures a training is watched by, and how they are laid out. Knows no network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

COLUMNS = 8
MOST_CLASSES = 12


@dataclass(frozen=True)
class Showing:
    """``pictures`` (N, ...) row by row in ``columns``; with a gap after ``split`` of them where that is not 0."""

    pictures: Tensor
    columns: int = COLUMNS
    split: int = 0


@dataclass(frozen=True)
class Layout:
    """``rows`` x ``columns`` places, and the class each row shows, (rows,); None where there are no classes."""

    rows: int
    columns: int
    classes: Tensor | None = None

    @property
    def labels(self) -> Tensor | None:
        """The class of each place, (rows * columns,)."""
        return None if self.classes is None else self.classes.repeat_interleave(self.columns)


def layout(classes: int) -> Layout:
    """As square as it goes: 8 x 8, or one or more rows for each class, of the first twelve where there are more."""
    if not classes:
        return Layout(COLUMNS, COLUMNS)
    shown = min(classes, MOST_CLASSES)
    each = max(1, round(COLUMNS / shown))
    rows = shown * each
    return Layout(rows, max(COLUMNS, rows), torch.arange(shown).repeat_interleave(each))
