"""The network of the 26 built-in styles: one transformer whose normalisations depend on the style.

"A Learned Representation for Artistic Style" (Dumoulin, Shlens and Kudlur, ICLR 2017): the styles share every
convolution; each has its own scale and offset for every channel of every instance normalisation.
Knows nothing of photos, names of styles or strength; see ``painter`` and ``bands`` for how it runs.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from pipelines.style.bands import Layer, Norm
from pipelines.style.painter import Stack, doubling, to_colors

STYLES = 26


class Conditional(nn.Module):
    """A convolution without bias and the instance normalisation after it, with a row of scales for each style."""

    def __init__(self, channels_in: int, channels_out: int, size: int, styles: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, size, size), requires_grad=False)
        self.gamma = nn.Parameter(torch.empty(styles, channels_out), requires_grad=False)
        self.beta = nn.Parameter(torch.empty(styles, channels_out), requires_grad=False)

    def norm(self, mix: Tensor) -> Norm:
        return Norm(mix @ self.gamma, mix @ self.beta)

    def layer(self, mix: Tensor, stride: int = 1, relu: bool = True) -> Layer:
        return Layer(self.weight, stride, norm=self.norm(mix), relu=relu)


class MultiStyle(nn.Module):
    """The weights; ``stack(mix)`` is the transformer of one style or of a weighted mix of several."""

    def __init__(self, styles: int = STYLES, width: int = 32, blocks: int = 6) -> None:
        super().__init__()
        half, quarter = width // 4, width // 8
        contract = ((3, width, 9), (width, width, 3), (width, width, 3))
        expand = ((width, half, 3), (half, quarter, 3), (quarter, 3, 9))
        self.contract = nn.ModuleList(Conditional(*sizes, styles) for sizes in contract)
        self.residual = nn.ModuleList(Conditional(width, width, 3, styles) for _ in range(2 * blocks))
        self.expand = nn.ModuleList(Conditional(*sizes, styles) for sizes in expand)

    @torch.inference_mode()
    def stack(self, mix: Tensor) -> Stack:
        """The transformer of ``mix``, weights [styles] that add up to 1."""
        contract, residual, expand = (
            cast("list[Conditional]", list(part)) for part in (self.contract, self.residual, self.expand)
        )
        first, second, final = expand
        return Stack(
            contract=[module.layer(mix, stride=2 if index else 1) for index, module in enumerate(contract)],
            residual=[module.layer(mix, relu=index % 2 == 0) for index, module in enumerate(residual)],
            expand=[
                doubling(first.weight, first.norm(mix)),
                doubling(second.weight, second.norm(mix)),
                to_colors(final.weight, final.norm(mix)),
            ],
        )
