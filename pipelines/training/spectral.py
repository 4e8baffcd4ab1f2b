"""Layers whose weights never stretch anything: spectral normalisation (Miyato et al. 2018, algorithm 1).

Each weight, seen as a matrix (out, rest), is divided by its largest singular value. That is followed by one step of
power iteration a pass, whose vector ``u`` is a buffer: part of the state, so that a resume goes on with it. Torch's
own draws its beginning from the global generator; this one is given it by ``networks.build``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.training.classes import Projection

FIRST = 15  # steps of power iteration before the first pass: a bad first guess would blow the weights up


def normalised(weight: Tensor, u: Tensor, learning: bool) -> Tensor:
    """``weight`` (out, ...) over its largest singular value as ``u`` (out,) knows it, which moves on if ``learning``.

    The gradient runs through the value too, not through the iteration.
    """
    with torch.autocast(weight.device.type, enabled=False):  # 8 bits of mantissa are too few for a norm
        matrix = weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(u @ matrix, dim=0)
            forward = F.normalize(matrix @ v, dim=0)
            if learning:
                u.copy_(forward)
        return weight / (forward @ (matrix @ v))


class Spectral:
    """Mixed into a layer of torch's."""

    weight: Tensor
    u: Tensor
    training: bool

    @property
    def normalised(self) -> Tensor:
        """The weight the layer works with."""
        return normalised(self.weight, self.u, self.training)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """A first guess of ``u`` from ``generator``, brought near the truth."""
        self.u.normal_(generator=generator)
        for _ in range(FIRST):
            normalised(self.weight, self.u, learning=True)


class SpectralConv2d(Spectral, nn.Conv2d):
    """A convolution."""

    def __init__(self, *arguments: int, **more: int) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self.register_buffer("u", torch.zeros(self.out_channels))

    def forward(self, pictures: Tensor) -> Tensor:
        found: Tensor = self._conv_forward(pictures, self.normalised, self.bias)
        return found


class SpectralLinear(Spectral, nn.Linear):
    """A linear layer."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(into, out)
        self.register_buffer("u", torch.zeros(out))

    def forward(self, values: Tensor) -> Tensor:
        return F.linear(values, self.normalised, self.bias)


class SpectralProjection(Spectral, Projection):
    """The class vectors of a discriminator."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__(classes, features)
        self.register_buffer("u", torch.zeros(classes))

    @property
    def vectors(self) -> Tensor:
        return self.normalised
