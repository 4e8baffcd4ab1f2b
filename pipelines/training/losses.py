"""What the two networks of a GAN are asked to minimise. Pure functions of logits (B,).

D(x) are the logits of real pictures, D(G(z)) those of fake ones; E is the mean over a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class AdversarialLoss:
    """``discriminator(real, fake)`` and ``generator(real, fake)`` of logits (B,), each a scalar.

    ``paired``: the generator's loss looks at the real logits too (relativistic losses); where False it is given the
    fake ones twice, so that no pass over real pictures is spent. ``middle``: the logit between real and fake; None
    where only differences count, and the middle is wherever the batch has it.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False
    middle: float | None = 0.0

    def told_apart(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The share of real logits above the middle, and of fake ones below it."""
        middle = (real.mean() + fake.mean()) / 2 if self.middle is None else self.middle
        return (real > middle).float().mean(), (fake < middle).float().mean()


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-D(x))] + E[softplus(D(G(z)))]: binary cross entropy on logits (Goodfellow et al. 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_generator(_real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-D(G(z)))]: -log D instead of log(1 - D) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(x) - 1)^2] / 2 + E[D(G(z))^2] / 2: 1 stands for real, 0 for fake (Mao et al. 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(_real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2 (Mao et al. 2017, eq. 9)."""
    return (fake - 1).square().mean() / 2


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(G(z))] - E[D(x)]: less the penalty, the distance between fake and real, negative (Arjovsky et al. 2017)."""
    return fake.mean() - real.mean()


def wasserstein_generator(_real: Tensor, fake: Tensor) -> Tensor:
    """-E[D(G(z))] (Arjovsky et al. 2017, algorithm 1)."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (Miyato et al. 2018, eq. 16; Lim and Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-(D(x) - D(G(z))))]: each real picture against a fake one (Jolicoeur-Martineau 2018, section 4)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-(D(G(z)) - D(x)))]: the same with the two exchanged (Huang et al. 2024, R3GAN, eq. 2)."""
    return F.softplus(real - fake).mean()


def smoothed(loss: Tensor, real: Tensor, amount: float) -> Tensor:
    """The discriminator's ``loss`` with 1 - ``amount`` as the target of real pictures (Salimans et al. 2016, 3.4).

    Cross entropy with the target 1 - s is softplus(-D) + s D; the square (D - (1 - s))^2 / 2 is (D - 1)^2 / 2 + s D and
    a constant. So for both it is s E[D(x)] that is added.
    """
    return loss + amount * real.mean()


#: also DCGAN's: its binary cross entropy with the labels exchanged for the generator is the same function
NON_SATURATING = AdversarialLoss(logistic_discriminator, non_saturating_generator)
LEAST_SQUARES = AdversarialLoss(least_squares_discriminator, least_squares_generator, middle=0.5)
WASSERSTEIN = AdversarialLoss(wasserstein_critic, wasserstein_generator, middle=None)
HINGE = AdversarialLoss(hinge_discriminator, wasserstein_generator)
RELATIVISTIC = AdversarialLoss(relativistic_discriminator, relativistic_generator, paired=True, middle=None)
