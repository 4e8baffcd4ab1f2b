"""What the two networks of a GAN are asked to minimise. Pure functions of logits (B,) and pictures (B, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class AdversarialLoss:
    """``discriminator(real, fake)`` and ``generator(real, fake)`` of logits (B,), each a scalar.

    ``paired``: the generator's loss looks at the real logits too (relativistic losses); where False it is given the
    fake ones twice, so that no pass over real pictures is spent.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-D(x))] + E[softplus(D(G(z)))]: binary cross entropy on logits (Goodfellow et al. 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_generator(_real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-D(G(z)))]: -log D instead of log(1 - D) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


#: also DCGAN's: its binary cross entropy with the labels exchanged for the generator is the same function
NON_SATURATING = AdversarialLoss(logistic_discriminator, non_saturating_generator)


def r1_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """E[||grad_x D(x)||^2] over real pictures (B, C, H, W), before gamma / 2 (Mescheder et al. 2018, eq. 9)."""
    leaf = real.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(discriminator(leaf).sum(), leaf, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()
