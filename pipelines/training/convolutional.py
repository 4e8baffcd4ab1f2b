"""The networks most recipes use: a generator that enlarges and convolves, a discriminator of strided convolutions.

Small on purpose: on a CPU a minute buys few steps, and steps are what counts. Pictures are (B, C, S, S) in -1 to 1;
verdicts are logits (B,), with no sigmoid. Knows no losses and no data.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.classes import Labelled, Projection
from pipelines.training.shape import SLOPE, Shape
from pipelines.training.spectral import SpectralConv2d, SpectralLinear, SpectralProjection
from pipelines.training.verdict import flat

HIDDEN = 128


class UpsamplingGenerator(nn.Module):
    """Linear to the coarsest map of 4w, for each doubling (bilinear x 2, conv 3, batch norm, leaky ReLU), conv 3, tanh.

    Enlarging before a plain convolution leaves no checkerboard (Odena et al. 2016). 4w is 8w where there are three
    doublings, and so on.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = [shape.width << level for level in reversed(range(shape.stages + 1))]
        self._start = (widths[0], shape.start, shape.start)
        self.label = Labelled(shape.classes, shape.latent)
        self.project = nn.Linear(shape.latent + self.label.size, math.prod(self._start))
        self.norm0 = nn.BatchNorm2d(widths[0])
        self._doublings: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
        for number, (into, out) in enumerate(itertools.pairwise(widths), 1):
            conv, norm = nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"norm{number}", norm)
            self._doublings.append((conv, norm))
        self.picture = nn.Conv2d(shape.width, shape.channels, 3, padding=1)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) and classes (B,) where it knows them -> (B, C, S, S)."""
        return torch.tanh(self.logits(noise, labels))

    def logits(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same before tanh; as tanh(x) is 2 sigmoid(2x) - 1, a pixel's log odds of being white are twice this."""
        hidden = self.project(self.label(noise, labels)).view(-1, *self._start)
        hidden = F.leaky_relu(self.norm0(hidden.contiguous(memory_format=torch.channels_last)), SLOPE)
        for conv, norm in self._doublings:
            hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
            hidden = F.leaky_relu(norm(conv(hidden)), SLOPE)
        picture: Tensor = self.picture(hidden)
        return picture


class Layers(NamedTuple):
    """Which layers a discriminator is made of."""

    conv: Callable[..., Any]
    linear: Callable[[int, int], Any]
    projection: Callable[[int, int], Any]


class StridedDiscriminator(nn.Module):
    """Strided conv 4 to w, to 2w and so on to the coarsest map, two linear layers, and a projection of the class.

    No normalisation, as a gradient penalty is per picture.
    """

    layers: ClassVar[Layers] = Layers(nn.Conv2d, nn.Linear, Projection)

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        conv, linear, projection = self.layers
        widths = [shape.channels, *(shape.width << level for level in range(shape.stages))]
        self._halvings = [conv(into, out, 4, stride=2, padding=1) for into, out in itertools.pairwise(widths)]
        for number, layer in enumerate(self._halvings, 1):
            self.add_module(f"conv{number}", layer)
        self.hidden = linear(widths[-1] * shape.start**2, HIDDEN)
        self.verdict = linear(HIDDEN, 1)
        self.label = projection(shape.classes, HIDDEN) if shape.classes else None

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, C, S, S) and classes (B,) where it knows them -> logits (B,)."""
        hidden = pictures.contiguous(memory_format=torch.channels_last)
        for conv in self._halvings:
            hidden = F.leaky_relu(conv(hidden), SLOPE)
        hidden = F.leaky_relu(self.hidden(flat(hidden)), SLOPE)
        verdict: Tensor = self.verdict(hidden).squeeze(1)
        return verdict if self.label is None else verdict + self.label(hidden, labels)


class SpectralDiscriminator(StridedDiscriminator):
    """The same of layers with spectral normalisation."""

    layers = Layers(SpectralConv2d, SpectralLinear, SpectralProjection)
