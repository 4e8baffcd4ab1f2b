"""The networks of Radford et al. 2015, cut to the pictures' size. Knows no losses and no data."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.classes import Labelled, Projection
from pipelines.training.grey import Doubling, Halving
from pipelines.training.shape import SLOPE, Shape
from pipelines.training.verdict import Verdict, flat


class DcganGenerator(nn.Module):
    """Project, batch norm, ReLU, transposed convolutions 4 with batch norm and ReLU between them, tanh."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = [*(shape.width << level for level in reversed(range(shape.stages))), shape.channels]
        self._start = (widths[0], shape.start, shape.start)
        self.label = Labelled(shape.classes, shape.latent)
        self.project = nn.Linear(shape.latent + self.label.size, math.prod(self._start), bias=False)
        self.norm0 = nn.BatchNorm2d(widths[0])
        self._doublings: list[tuple[nn.BatchNorm2d, Doubling]] = []
        norm = self.norm0
        for number, (into, out) in enumerate(itertools.pairwise(widths), 1):
            last = number == shape.stages
            up = Doubling(into, out, bias=last)
            self.add_module(f"up{number}", up)
            self._doublings.append((norm, up))
            if not last:
                norm = nn.BatchNorm2d(out)
                self.add_module(f"norm{number}", norm)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) and classes (B,) where it knows them -> (B, C, S, S)."""
        hidden = self.project(self.label(noise, labels)).view(-1, *self._start)
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        for norm, up in self._doublings:
            hidden = up(F.relu_(norm(hidden)))
        return torch.tanh(hidden)


class DcganDiscriminator(nn.Module):
    """Strided convolutions 4, with batch norm from the second on, one linear layer, and a projection of the class."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = [shape.width << level for level in range(shape.stages)]
        self.conv1 = Halving(shape.channels, shape.width)
        self._halvings: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
        for number, (into, out) in enumerate(itertools.pairwise(widths), 2):
            conv, norm = nn.Conv2d(into, out, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(out)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"norm{number}", norm)
            self._halvings.append((conv, norm))
        features = widths[-1] * shape.start**2
        self.verdict = Verdict(features)
        self.label = Projection(shape.classes, features) if shape.classes else None

    def forward(self, pictures: Tensor, labels: Tensor | None = None, batches: int = 1) -> Tensor:
        """(B, C, S, S) and classes (B,) where it knows them -> logits (B,).

        ``pictures`` may be several ``batches`` of the same size, each of which is normalised for itself.
        """
        hidden = self.conv1(pictures.contiguous(memory_format=torch.channels_last))
        # one channel lies the same way in both orders, so the layer may have taken the other one
        hidden = F.leaky_relu_(hidden.contiguous(memory_format=torch.channels_last), SLOPE)
        for conv, norm in self._halvings:
            parts = [norm(part) for part in conv(hidden).chunk(batches)]
            hidden = F.leaky_relu_(parts[0] if batches == 1 else torch.cat(parts), SLOPE)
        features = flat(hidden)
        verdict: Tensor = self.verdict(features)
        return verdict if self.label is None else verdict + self.label(features, labels)
