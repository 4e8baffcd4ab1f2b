"""Which generators there are, and how any network comes to be: built without memory, initialised, placed.

Weights are drawn from a generator that is handed in, so that a seed says everything and torch's global one is nobody's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from pipelines.training.classes import Projection
from pipelines.training.convolutional import UpsamplingGenerator
from pipelines.training.dcgan import DcganDiscriminator, DcganGenerator
from pipelines.training.dense import DenseGenerator
from pipelines.training.plane_networks import PointGenerator
from pipelines.training.shape import Shape
from pipelines.training.spectral import Spectral

#: the word in a generator file -> what it builds
GENERATORS: dict[str, Callable[[Shape], nn.Module]] = {
    "upsampling": UpsamplingGenerator,
    "dcgan": DcganGenerator,
    "dense": DenseGenerator,
    "points": PointGenerator,
}

N = TypeVar("N", bound=nn.Module)


def build(make: Callable[[Shape], N], shape: Shape, generator: torch.Generator, device: torch.device) -> N:
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


def place(network: N, device: torch.device) -> N:
    """``network`` on ``device`` with channels last, which halves the time of these convolutions on a CPU."""
    placed: N = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


@torch.no_grad()
def _initialise(module: nn.Module, generator: torch.Generator, classic: bool) -> None:
    """Uniform in +-1/sqrt(fan in), torch's default; ``classic``: normal of 0.02 around 0, and 1 for norms (DCGAN)."""
    if isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()  # ones and zeros: nothing is drawn
        if classic:
            module.weight.normal_(1.0, 0.02, generator=generator)
    elif isinstance(module, nn.Embedding):
        # as large as the noise it stands beside; class vectors as long as a verdict's weights
        scale = 1 / math.sqrt(module.embedding_dim) if isinstance(module, Projection) else 1.0
        module.weight.normal_(0.0, scale, generator=generator)
    elif isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        bound = 1 / math.sqrt(nn.init._calculate_correct_fan(module.weight, "fan_in"))
        if classic:
            module.weight.normal_(0.0, 0.02, generator=generator)
        else:
            module.weight.uniform_(-bound, bound, generator=generator)
        if module.bias is not None:
            module.bias.uniform_(-bound, bound, generator=generator)
    if isinstance(module, Spectral):
        module.begin(generator)
