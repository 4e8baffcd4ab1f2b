"""The two networks of a VAE: from a picture to where it may lie among the codes, and the generator, its mirror image.

Knows no losses and no data.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.classes import Labelled
from pipelines.training.convolutional import HIDDEN, UpsamplingGenerator
from pipelines.training.shape import SLOPE, Shape


class Encoder(nn.Module):
    """Strided conv 4 to w, to 2w and so on, each with batch norm and leaky ReLU, linear, and linear to 2 x latent."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = [shape.channels, *(shape.width << level for level in range(shape.stages))]
        self._halvings: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
        for number, (into, out) in enumerate(itertools.pairwise(widths), 1):
            conv, norm = nn.Conv2d(into, out, 4, stride=2, padding=1), nn.BatchNorm2d(out)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"norm{number}", norm)
            self._halvings.append((conv, norm))
        self.hidden = nn.Linear(widths[-1] * shape.start**2, HIDDEN)
        self.label = Labelled(shape.classes, HIDDEN)
        self.posterior = nn.Linear(HIDDEN + self.label.size, 2 * shape.latent)

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, C, S, S) and classes (B,) where it knows them -> means and log variances of the codes, (B, latent)."""
        hidden = pictures.contiguous(memory_format=torch.channels_last)
        for conv, norm in self._halvings:
            hidden = F.leaky_relu(norm(conv(hidden)), SLOPE)
        hidden = F.leaky_relu(self.hidden(hidden.flatten(1)), SLOPE)
        means, spreads = self.posterior(self.label(hidden, labels)).chunk(2, 1)
        return means, spreads


class Autoencoder(nn.Module):
    """Encoder and generator as one, trained by one optimizer and averaged together."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.generator = UpsamplingGenerator(shape)

    def forward(self, pictures: Tensor, labels: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``pictures`` (B, C, S, S) by way of codes drawn with ``noise`` (B, latent), as ``decode`` makes them.

        With them the means and log variances of the codes, (B, latent), all as float32.
        """
        means, spreads = (part.float() for part in self.encoder(pictures, labels))
        codes = means + (spreads / 2).exp() * noise
        return self.decode(codes, labels).float(), means, spreads

    def decode(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes (B, latent) as pictures (B, C, S, S) before tanh: half the log odds of each pixel's being white."""
        return self.generator.logits(codes, labels)

    def reconstruct(self, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
        """``pictures`` (B, C, S, S) by way of their likeliest codes."""
        made: Tensor = self.generator(self.encoder(pictures, labels)[0], labels)
        return made
