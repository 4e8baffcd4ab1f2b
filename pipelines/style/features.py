"""VGG-16 up to conv4_2: what a picture shows (its features) and what it is painted like (their Gram matrices).

"Image Style Transfer Using Convolutional Neural Networks" (Gatys, Ecker and Bethge, CVPR 2016): features of a network
that was trained to see, with average in place of maximum pooling (their section 2). Theirs is VGG-19; this is the
VGG-16 of ``convert_vgg``, and its fourth block stands in for their fifth. Knows no photo and no optimisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

#: name of each convolution and its channels, by block
BLOCKS = (
    (("conv1_1", 3, 64), ("conv1_2", 64, 64)),
    (("conv2_1", 64, 128), ("conv2_2", 128, 128)),
    (("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256)),
    (("conv4_1", 256, 512), ("conv4_2", 512, 512)),
)
#: the maps whose Gram matrices are the style, and the one that is the content (the paper's section 3)
STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
CONTENT = "conv4_2"
#: pixels of the picture that one step of each kept map covers, an edge
STRIDE = {"conv1_1": 1, "conv2_1": 2, "conv3_1": 4, "conv4_1": 8, "conv4_2": 8}
#: pixels around one of the picture that conv4_2 looks at, rounded up to whole steps: 41 of them
REACH = 48
#: mean red, green and blue of ImageNet, of 255, which the network takes away first
MEAN = (123.68, 116.779, 103.939)

#: maps by the name of their convolution, each [1, channels, height, width]
Maps: TypeAlias = Mapping[str, Tensor]


class Features(nn.Module):
    """The weights; a call gives the maps of ``STYLE`` and ``CONTENT``, after their rectifiers."""

    def __init__(self) -> None:
        super().__init__()
        for block in BLOCKS:
            for name, channels_in, channels_out in block:
                self.add_module(name, nn.Conv2d(channels_in, channels_out, 3, padding=1))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, picture: Tensor) -> Maps:
        """``picture`` [1, 3, height, width] in 0..1, height and width at least 8, in any float format."""
        kept: dict[str, Tensor] = {}
        mean = self.get_buffer("mean")
        weight = self.get_parameter("conv1_1.weight")
        x = (picture.float() * 255 - mean).to(weight.dtype).contiguous(memory_format=torch.channels_last)
        for number, block in enumerate(BLOCKS):
            if number:
                x = functional.avg_pool2d(x, 2)
            for name, _, _ in block:
                x = functional.relu(self.get_submodule(name)(x))
                if name in STRIDE:
                    kept[name] = x
        return kept


def gram(features: Tensor) -> Tensor:
    """[1, channels, height, width] -> the sum over all places of the products of two channels, [channels, channels].

    The paper's equation 3, in float32. Divided by the number of places it does not depend on the picture's size.
    """
    flat = features[0].flatten(1).float()
    return flat @ flat.T


def grams(maps: Maps) -> dict[str, Tensor]:
    """The mean Gram matrix of each map of ``STYLE``."""
    return {name: gram(maps[name]) / maps[name][0, 0].numel() for name in STYLE}
