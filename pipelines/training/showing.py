"""What a training is watched by, and how it is laid out: pictures in rows, or points in the plane. Knows no network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from pipelines.training.data import to_bytes
from pipelines.training.grid import compose
from pipelines.training.plane_drawing import draw_plane

COLUMNS = 8
MOST_CLASSES = 12


@dataclass(frozen=True)
class Showing:
    """``pictures`` (N, ...) row by row in ``columns``; with a gap after ``split`` of them where that is not 0."""

    pictures: Tensor
    columns: int = COLUMNS
    split: int = 0

    def fetched(self) -> Showing:
        """The same as a grid has it: pictures uint8 (N, S, S, C) on the CPU."""
        return replace(self, pictures=to_bytes(self.pictures).permute(0, 2, 3, 1).cpu())

    def drawn(self) -> Image.Image:
        """What was ``fetched`` as one picture."""
        return compose(self.pictures.numpy(), self.columns, split=self.split)


@dataclass(frozen=True)
class PlaneShowing(Showing):
    """Points: ``pictures`` are the generated ones, (N, 2, 1, 1), ``real`` (M, 2, 1, 1) those of the data.

    ``field`` (R, R) are the discriminator's scores over the plane, 0 where it is undecided; None where there is none.
    """

    real: Tensor | None = None
    field: Tensor | None = None

    def fetched(self) -> PlaneShowing:
        field = None if self.field is None else self.field.float().cpu()
        real = None if self.real is None else self.real.float().cpu()
        return replace(self, pictures=self.pictures.float().cpu(), real=real, field=field)

    def drawn(self) -> Image.Image:
        real = torch.zeros(0, 2) if self.real is None else self.real
        field = None if self.field is None else self.field.numpy()
        return draw_plane(real.flatten(1).numpy(), self.pictures.flatten(1).numpy(), field)


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
