"""The networks that paint in the style of any picture: a predictor of the style and a transformer that takes it.

"Exploring the structure of a real-time, arbitrary neural artistic stylization network" (Ghiasi, Lee, Kudlur, Dumoulin
and Shlens, BMVC 2017), in the small form Magenta published: the predictor is a MobileNetV2 (Sandler et al. 2018) that
turns a picture into a bottleneck of 100 numbers, from which one matrix for each instance normalisation of the
transformer makes its scale and offset. Knows nothing of files or strength.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipelines.style.bands import Layer, Norm
from pipelines.style.painter import Stack, doubling, to_colors

BOTTLENECK = 100
#: the size the predictor was trained at; it takes others, and sees another scale of brush strokes then
STYLE_SIZE = 256

#: MobileNetV2's blocks: (expansion, channels, repeats, first stride)
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" border: ceil(size / stride) outputs, an odd pixel at the far side."""

    def forward(self, x: Tensor) -> Tensor:
        size, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[2:])
        if height % 2 or width % 2:
            x = functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
            return super().forward(x)
        return functional.conv2d(x, self.weight, self.bias, stride, (height // 2, width // 2), groups=self.groups)


class Inverted(nn.Module):
    """MobileNetV2's block: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = SameConv(channels_in, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, 3, stride, groups=wide)
        self.project = SameConv(wide, channels_out, 1)
        self.skips = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        narrow: Tensor = self.project(functional.relu6(self.depthwise(wide), inplace=True))
        return x + narrow if self.skips else narrow


class Predictor(nn.Module):
    """Picture [1, 3, height, width] in 0..1 -> bottleneck [100]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        self.blocks = nn.ModuleList(self._blocks(32))
        self.head = SameConv(320, 1280, 1)
        self.bottleneck = nn.Linear(1280, BOTTLENECK)

    @staticmethod
    def _blocks(channels: int) -> Iterator[Inverted]:
        for expansion, out, repeats, first_stride in BLOCKS:
            for repeat in range(repeats):
                yield Inverted(channels, out, expansion, first_stride if repeat == 0 else 1)
                channels = out

    @torch.inference_mode()
    def forward(self, picture: Tensor, between: Callable[[], None] = lambda: None) -> Tensor:
        """``between`` is called after each block; it may raise to stop."""
        x = functional.relu6(self.stem(picture.contiguous(memory_format=torch.channels_last)), inplace=True)
        for inverted in self.blocks:
            between()
            x = inverted(x)
        x = functional.relu6(self.head(x)).mean((2, 3))
        out: Tensor = self.bottleneck(x)[0]
        return out


class Styled(nn.Module):
    """A convolution without bias and the matrices that make its normalisation from a bottleneck."""

    def __init__(self, channels_in: int, channels_out: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, size, size), requires_grad=False)
        self.gamma = nn.Linear(BOTTLENECK, channels_out)
        self.beta = nn.Linear(BOTTLENECK, channels_out)

    def norm(self, style: Tensor) -> Norm:
        return Norm(self.gamma(style), self.beta(style))


class Transformer(nn.Module):
    """The weights; ``stack(style)`` is the transformer of one bottleneck."""

    def __init__(self, blocks: int = 5) -> None:
        super().__init__()
        contract = ((3, 8, 9), (8, 16, 3), (16, 32, 3))
        expand = ((32, 16, 3), (16, 8, 3), (8, 3, 9))
        self.contract = nn.ModuleList(nn.Conv2d(*sizes) for sizes in contract)
        self.residual = nn.ModuleList(Styled(32, 32, 3) for _ in range(2 * blocks))
        self.expand = nn.ModuleList(Styled(*sizes) for sizes in expand)

    @torch.inference_mode()
    def stack(self, style: Tensor) -> Stack:
        """The transformer of ``style``, a bottleneck [100]."""
        contract = cast("list[nn.Conv2d]", list(self.contract))
        residual, expand = (cast("list[Styled]", list(part)) for part in (self.residual, self.expand))
        first, second, final = expand
        return Stack(
            contract=[
                Layer(module.weight, 1 if index == 0 else 2, bias=module.bias) for index, module in enumerate(contract)
            ],
            residual=[
                Layer(module.weight, norm=module.norm(style), relu=index % 2 == 0)
                for index, module in enumerate(residual)
            ],
            expand=[
                doubling(first.weight, first.norm(style)),
                doubling(second.weight, second.norm(style)),
                to_colors(final.weight, final.norm(style)),
            ],
        )


class Arbitrary(nn.Module):
    """Both networks, as they are kept in one file."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = Predictor()
        self.transformer = Transformer()
