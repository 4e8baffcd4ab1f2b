"""Networks for points in the plane: a point is a picture of 2 channels and one pixel, (B, 2, 1, 1), in any range.

Small dense ones; the width is that of their hidden layers. Knows no losses and no data.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.classes import Labelled
from pipelines.training.shape import SLOPE, Shape
from pipelines.training.spectral import SpectralLinear

HIDDEN = 3  # layers
EMBEDDING = 8


class PointGenerator(nn.Module):
    """Three hidden layers of w with leaky ReLU, and a linear one to the two coordinates."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.label = Labelled(shape.classes, EMBEDDING)
        sizes = (shape.latent + self.label.size, *[shape.width] * HIDDEN)
        self.layers = nn.ModuleList(nn.Linear(into, out) for into, out in pairwise(sizes))
        self.point = nn.Linear(shape.width, shape.channels)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) and classes (B,) where it knows them -> (B, 2, 1, 1)."""
        hidden = self.label(noise, labels)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        point: Tensor = self.point(hidden)
        return point[:, :, None, None]


class PointDiscriminator(nn.Module):
    """From the coordinates, and an embedding of the class, through three layers of w to one logit."""

    linear: ClassVar[Any] = nn.Linear

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.label = Labelled(shape.classes, EMBEDDING)
        sizes = (shape.channels + self.label.size, *[shape.width] * HIDDEN)
        self.layers = nn.ModuleList(self.linear(into, out) for into, out in pairwise(sizes))
        self.verdict = self.linear(shape.width, 1)

    def forward(self, points: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, 2, 1, 1) and classes (B,) where it knows them -> logits (B,)."""
        hidden = self.label(points.flatten(1), labels)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        verdict: Tensor = self.verdict(hidden).squeeze(1)
        return verdict


class SpectralPointDiscriminator(PointDiscriminator):
    """The same of layers with spectral normalisation."""

    linear = SpectralLinear


class PointEncoder(nn.Module):
    """From the coordinates, and an embedding of the class, through three layers of w to where the code may lie."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.label = Labelled(shape.classes, EMBEDDING)
        sizes = (shape.channels + self.label.size, *[shape.width] * HIDDEN)
        self.layers = nn.ModuleList(nn.Linear(into, out) for into, out in pairwise(sizes))
        self.posterior = nn.Linear(shape.width, 2 * shape.latent)

    def forward(self, points: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, 2, 1, 1) and classes (B,) where it knows them -> means and log variances of the codes, (B, latent)."""
        hidden = self.label(points.flatten(1), labels)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        means, spreads = self.posterior(hidden).chunk(2, 1)
        return means, spreads


class PointAutoencoder(nn.Module):
    """Encoder and generator as one, trained by one optimizer and averaged together."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.encoder = PointEncoder(shape)
        self.generator = PointGenerator(shape)

    def forward(self, points: Tensor, labels: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``points`` (B, 2, 1, 1) by way of codes drawn with ``noise`` (B, latent), as ``decode`` makes them.

        With them the means and log variances of the codes, (B, latent), all as float32.
        """
        means, spreads = (part.float() for part in self.encoder(points, labels))
        codes = means + (spreads / 2).exp() * noise
        return self.decode(codes, labels).float(), means, spreads

    def decode(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes (B, latent) as points (B, 2, 1, 1)."""
        points: Tensor = self.generator(codes, labels)
        return points

    def reconstruct(self, points: Tensor, labels: Tensor | None = None) -> Tensor:
        """``points`` (B, 2, 1, 1) by way of their likeliest codes."""
        made: Tensor = self.generator(self.encoder(points, labels)[0], labels)
        return made
