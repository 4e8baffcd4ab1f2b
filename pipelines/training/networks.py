"""The networks: from noise to a picture, and from a picture to a verdict.

Small on purpose: on a CPU a minute buys few steps, and steps are what counts. Pictures are (B, C, S, S) in -1 to 1 with
S divisible by 4; verdicts are logits (B,), with no sigmoid. Knows no losses and no data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of every leaky ReLU
HIDDEN = 128


@dataclass(frozen=True)
class Shape:
    """What a network is made for: noise of ``latent`` numbers, pictures of ``channels`` x ``size`` x ``size``."""

    latent: int
    width: int
    channels: int
    size: int


class UpsamplingGenerator(nn.Module):
    """Linear to (S/4)^2 x 4w, twice (bilinear x 2, conv 3, batch norm, leaky ReLU), conv 3, tanh.

    Enlarging before a plain convolution leaves no checkerboard (Odena et al. 2016).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self._start = (4 * width, shape.size // 4, shape.size // 4)
        self.project = nn.Linear(shape.latent, math.prod(self._start))
        self.norm0 = nn.BatchNorm2d(4 * width)
        self.conv1 = nn.Conv2d(4 * width, 2 * width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(2 * width)
        self.conv2 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(width)
        self.picture = nn.Conv2d(width, shape.channels, 3, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        """(B, latent) -> (B, C, S, S)."""
        hidden = self.project(noise).view(-1, *self._start).contiguous(memory_format=torch.channels_last)
        hidden = F.leaky_relu(self.norm0(hidden), SLOPE)
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2)):
            hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
            hidden = F.leaky_relu(norm(conv(hidden)), SLOPE)
        return torch.tanh(self.picture(hidden))


class StridedDiscriminator(nn.Module):
    """Strided conv 4 to w, to 2w, two linear layers; no normalisation, as a gradient penalty is per picture."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv2d(shape.channels, width, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.hidden = nn.Linear(2 * width * (shape.size // 4) ** 2, HIDDEN)
        self.verdict = nn.Linear(HIDDEN, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S) -> logits (B,)."""
        hidden = F.leaky_relu(self.conv1(pictures.contiguous(memory_format=torch.channels_last)), SLOPE)
        hidden = F.leaky_relu(self.conv2(hidden), SLOPE)  # (B, 2w, S/4, S/4)
        hidden = F.leaky_relu(self.hidden(hidden.flatten(1)), SLOPE)
        verdict: Tensor = self.verdict(hidden).squeeze(1)
        return verdict


class DcganGenerator(nn.Module):
    """Radford et al. 2015 at S x S: project, batch norm, ReLU, two transposed convolutions 4, tanh."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self._start = (2 * width, shape.size // 4, shape.size // 4)
        self.project = nn.Linear(shape.latent, math.prod(self._start), bias=False)
        self.norm0 = nn.BatchNorm2d(2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.up2 = nn.ConvTranspose2d(width, shape.channels, 4, stride=2, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        """(B, latent) -> (B, C, S, S)."""
        hidden = self.project(noise).view(-1, *self._start).contiguous(memory_format=torch.channels_last)
        hidden = F.relu(self.norm0(hidden))
        hidden = F.relu(self.norm1(self.up1(hidden)))
        return torch.tanh(self.up2(hidden))


class DcganDiscriminator(nn.Module):
    """Radford et al. 2015: strided conv 4 to w, to 2w with batch norm, one linear layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv2d(shape.channels, width, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * width)
        self.verdict = nn.Linear(2 * width * (shape.size // 4) ** 2, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S) -> logits (B,)."""
        hidden = F.leaky_relu(self.conv1(pictures.contiguous(memory_format=torch.channels_last)), SLOPE)
        hidden = F.leaky_relu(self.norm2(self.conv2(hidden)), SLOPE)
        verdict: Tensor = self.verdict(hidden.flatten(1)).squeeze(1)
        return verdict


#: the word in a generator file -> what it builds
GENERATORS: dict[str, Callable[[Shape], nn.Module]] = {"upsampling": UpsamplingGenerator, "dcgan": DcganGenerator}


def build(
    make: Callable[[Shape], nn.Module], shape: Shape, generator: torch.Generator, device: torch.device
) -> nn.Module:
    """The network with weights drawn from ``generator`` (a CPU one, so that every device starts alike).

    Made without memory first: torch's own initialisation would draw from its global generator.
    """
    with torch.device("meta"):
        network = make(shape)
    network.to_empty(device="cpu")
    classic = isinstance(network, (DcganGenerator, DcganDiscriminator))
    for module in network.modules():
        _initialise(module, generator, classic)
    return place(network, device)


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """``network`` on ``device`` with channels last, which halves the time of these convolutions on a CPU."""
    placed: nn.Module = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


@torch.no_grad()
def _initialise(module: nn.Module, generator: torch.Generator, classic: bool) -> None:
    """Uniform in +-1/sqrt(fan in), torch's default; ``classic``: normal of 0.02 around 0, and 1 for norms (DCGAN)."""
    if isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()  # ones and zeros: nothing is drawn
        if classic:
            module.weight.normal_(1.0, 0.02, generator=generator)
    elif isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        bound = 1 / math.sqrt(nn.init._calculate_correct_fan(module.weight, "fan_in"))
        if classic:
            module.weight.normal_(0.0, 0.02, generator=generator)
        else:
            module.weight.uniform_(-bound, bound, generator=generator)
        if module.bias is not None:
            module.bias.uniform_(-bound, bound, generator=generator)
