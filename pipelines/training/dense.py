"""The networks of the textbook: every layer looks at everything. Knows no losses and no data."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.classes import Labelled
from pipelines.training.shape import SLOPE, Shape

EMBEDDING = 32


class DenseGenerator(nn.Module):
    """Linear layers to w, 2w, 4w with leaky ReLU, and to the pixels with tanh: 100-128-256-512-784 at width 128."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._picture = (shape.channels, shape.size, shape.size)
        self.label = Labelled(shape.classes, EMBEDDING)
        sizes = (shape.latent + self.label.size, shape.width, 2 * shape.width, 4 * shape.width)
        self.layers = nn.ModuleList(nn.Linear(into, out) for into, out in pairwise(sizes))
        self.picture = nn.Linear(sizes[-1], shape.pixels)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) and classes (B,) where it knows them -> (B, C, S, S)."""
        hidden = self.label(noise, labels)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        return torch.tanh(self.picture(hidden)).view(-1, *self._picture)


class DenseDiscriminator(nn.Module):
    """From the pixels, and an embedding of the class, to 4w, 2w, w with leaky ReLU, and to one logit."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.label = Labelled(shape.classes, EMBEDDING)
        sizes = (shape.pixels + self.label.size, 4 * shape.width, 2 * shape.width, shape.width)
        self.layers = nn.ModuleList(nn.Linear(into, out) for into, out in pairwise(sizes))
        self.verdict = nn.Linear(sizes[-1], 1)

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, C, S, S) and classes (B,) where it knows them -> logits (B,)."""
        hidden = self.label(pictures.flatten(1), labels)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        verdict: Tensor = self.verdict(hidden).squeeze(1)
        return verdict
