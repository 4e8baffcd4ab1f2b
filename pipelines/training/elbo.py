"""What a VAE is asked to minimise: the negative evidence lower bound, in nats a picture.

Kingma and Welling 2014, eq. 3. Summed over pixels and over the numbers of a code, averaged over the batch only:
averaging the pixels as well would make the second term a thousand times as heavy as the first, the classic cause of
codes that say nothing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

ACTIVE = 0.01
SPREAD = 0.05  # of points in the plane around their reconstructions: about that of a mode


def reconstruction(logits: Tensor, pictures: Tensor) -> Tensor:
    """-E[log p(x|z)] of ``pictures`` (B, C, S, S) in -1 to 1: each pixel's cross entropy (same paper, appendix C.1).

    ``logits`` (B, C, S, S) are before tanh. A grey of 0.3 counts as white with probability 0.3, so that even a perfect
    reconstruction of grey pictures costs something: their own entropy.
    """
    whites = (pictures + 1) / 2
    return F.binary_cross_entropy_with_logits(2 * logits, whites, reduction="none").flatten(1).sum(1).mean()


def distance(copies: Tensor, points: Tensor) -> Tensor:
    """-E[log p(x|z)] of ``points`` (B, ...) where p is a normal of ``SPREAD`` around the ``copies`` (B, ...).

    Up to its constant: |x - copy|^2 / (2 spread^2) (same paper, appendix C.2, with a fixed variance).
    """
    return (copies - points).square().flatten(1).sum(1).mean() / (2 * SPREAD**2)


def divergence(means: Tensor, spreads: Tensor) -> Tensor:
    """KL(N(mean, exp(spread)) || N(0, 1)) of each number of a code (latent,), averaged over the batch.

    ``spreads`` are log variances. (mean^2 + variance - log variance - 1) / 2 (same paper, appendix B).
    """
    return (means.square() + spreads.exp() - spreads - 1).mean(0) / 2


def with_free_bits(divergences: Tensor, floor: float) -> Tensor:
    """The sum of ``divergences`` (latent,), each counted as ``floor`` nats at least (Kingma et al. 2016, eq. 15).

    Below the floor there is nothing to be gained from saying less, so that no number of the code falls silent.
    """
    return divergences.clamp(min=floor).sum()


def active_units(means: Tensor) -> Tensor:
    """How many numbers of a code depend on the picture: variance of the mean above 0.01 (Burda et al. 2016, 2.1).

    Over ``means`` (B, latent) of one batch, a float.
    """
    return (means.var(0) > ACTIVE).float().sum()


def warmed_up(beta: float, share: float, warmup: float) -> float:
    """The weight of the divergence at ``share`` of the run: from 0 to ``beta`` over the share ``warmup`` of it.

    A weight other than 1 is Higgins et al. 2017's; the slow beginning Bowman et al. 2016's and Sonderby et al. 2016's.
    """
    return beta if share >= warmup else beta * share / warmup
