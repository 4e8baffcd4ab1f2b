"""The formulas behind the figures of a training: how far its pictures are from real ones, how many kinds there are.

Knows features (N, D), class numbers and nothing of where they come from. All is computed in float64 on the CPU, so that
every device gives the same figures. The Fréchet distance is FID's formula in other, smaller features: it is not FID,
and may only be compared with others taken in the same features from as many pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: a class counts as there from so much of its share among the real pictures on: a judge errs now and then
PRESENT = 0.1


@dataclass(frozen=True)
class Gaussian:
    """The normal distribution with the ``mean`` (D,) and ``covariance`` (D, D) of some features."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Gaussian:
        """Of ``features`` (N, D), N at least 2; the covariance is the unbiased one."""
        exact = features.double().cpu()
        return cls(exact.mean(0), torch.cov(exact.T).view(exact.shape[1], exact.shape[1]))


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) (Heusel et al. 2017, eq. 6).

    The trace of the root is that of (C^(1/2) C' C^(1/2))^(1/2), whose eigenvalues are real; those that rounding made
    negative count as none. From few pictures it comes out too large, which is why real pictures are measured too.
    """
    values, vectors = torch.linalg.eigh(one.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ other.covariance @ root).clamp(min=0).sqrt().sum()
    away = (one.mean - other.mean).square().sum()
    return float(away + one.covariance.trace() + other.covariance.trace() - 2 * shared)


def kernel_distance(one: Tensor, other: Tensor) -> float:
    """Squared maximum mean discrepancy of features (N, D) and (M, D), unbiased (Binkowski et al. 2018, section 2.3).

    With KID's kernel k(x, y) = (x . y / D + 1)^3 (same paper, eq. 3). 0 on average where both are of one distribution,
    so that it may be a little below.
    """
    first, second = one.double().cpu(), other.double().cpu()
    between = _kernel(first, second).mean()
    return float(_among(first) + _among(second) - 2 * between)


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.T / one.shape[1] + 1) ** 3


def _among(features: Tensor) -> Tensor:
    """The mean over pairs of two different ones."""
    count = len(features)
    kernel = _kernel(features, features)
    return (kernel.sum() - kernel.trace()) / (count * (count - 1))


def classes_present(labels: Tensor, real: Tensor) -> int:
    """Of how many classes there are pictures: ``PRESENT`` of its share in ``real`` at least, and one picture.

    ``labels`` (N,) are the classes of generated pictures, ``real`` (M,) those of real ones.
    """
    classes = int(real.max()) + 1
    found, there = torch.bincount(labels, minlength=classes)[:classes], torch.bincount(real)
    least = (PRESENT * len(labels) / len(real) * there).clamp(min=1)
    return int((found[there > 0] >= least[there > 0]).sum())


def effective_classes(labels: Tensor) -> float:
    """exp(-sum p log p) of the shares p of the classes in ``labels`` (N,): 1 for one class, k for k alike ones.

    The number of equally common classes with the same entropy (Hill 1973, the number of order 1).
    """
    counts = torch.bincount(labels).double()
    shares = counts[counts > 0] / len(labels)
    return float((-shares * shares.log()).sum().exp())


def spread(features: Tensor) -> float:
    """The mean distance of two different members of ``features`` (N, D)."""
    exact = features.double().cpu()
    return float(torch.pdist(exact).mean())


def nearest(features: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """How far each of ``features`` (N, D) is from the nearest of ``pool`` (M, D), and which that is: (N,) each."""
    distances, places = torch.cdist(features.double().cpu(), pool.double().cpu()).min(1)
    return distances, places
