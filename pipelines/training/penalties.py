"""What a discriminator pays for being steep. A judge maps pictures (B, C, H, W) to logits (B,)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Judge: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Penalty:
    """``measure(judge, real, fake, shares)`` is a scalar that counts ``factor`` times the weight a person gives it.

    ``shares`` (B,) are random, 0 to 1.
    """

    measure: Callable[[Judge, Tensor, Tensor, Tensor], Tensor]
    factor: float


def slope(judge: Judge, pictures: Tensor) -> Tensor:
    """grad_x D(x) at ``pictures``, (B, n), which can be differentiated again."""
    leaf = pictures.detach().requires_grad_(True)
    (found,) = torch.autograd.grad(judge(leaf).sum(), leaf, create_graph=True)
    return found.flatten(1)


def r1_penalty(judge: Judge, real: Tensor) -> Tensor:
    """E[||grad_x D(x)||^2] over real pictures, before gamma / 2 (Mescheder et al. 2018, eq. 9)."""
    return slope(judge, real).square().sum(1).mean()


def r1_and_r2_penalty(judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
    """R1 and, over fake pictures, R2 (Mescheder et al. 2018, eq. 9 and 10; both in R3GAN, Huang et al. 2024, eq. 3).

    In one pass: their sum is twice the mean over both together.
    """
    return 2 * r1_penalty(judge, torch.cat([real, fake.detach()]))


def wgan_penalty(judge: Judge, real: Tensor, fake: Tensor, shares: Tensor) -> Tensor:
    """E[(||grad_x D(x)|| - 1)^2] where x lies between a real and a fake picture (Gulrajani et al. 2017, eq. 3)."""
    between = torch.lerp(fake.detach(), real, shares.view(-1, 1, 1, 1))
    off: Tensor = torch.linalg.vector_norm(slope(judge, between), dim=1) - 1
    return off.square().mean()


def _r1(judge: Judge, real: Tensor, _fake: Tensor, _shares: Tensor) -> Tensor:
    return r1_penalty(judge, real)


def _r1_and_r2(judge: Judge, real: Tensor, fake: Tensor, _shares: Tensor) -> Tensor:
    return r1_and_r2_penalty(judge, real, fake)


R1 = Penalty(_r1, factor=0.5)
R1_AND_R2 = Penalty(_r1_and_r2, factor=0.5)
WGAN = Penalty(wgan_penalty, factor=1.0)
