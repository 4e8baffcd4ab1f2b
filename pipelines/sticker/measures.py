"""The formulas behind the sticker model's figures. Knows tensors, not pictures, names or networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def frechet(one: Tensor, other: Tensor) -> float:
    """Fréchet distance of the normal distributions of features [N, D] and [M, D] (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), in float64 by eigenvalues; those that rounding made negative
    count as none. With few pictures it comes out too large, by about as much for any two sets of the same sizes, so
    only distances between sets of the same sizes may be compared.
    """
    means = [each.double().mean(0) for each in (one, other)]
    first, second = (torch.cov(each.double().T) for each in (one, other))
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    away = (means[0] - means[1]).square().sum()
    return float(away + first.trace() + second.trace() - 2 * shared)


def choices(own: Sequence[str], names: Sequence[str], count: int, random: torch.Generator) -> Tensor:
    """For each of ``own`` the places in ``names`` of ``count`` different ones, itself first: [len(own), count].

    Fewer where there are not so many. Names that are nearly the same stay: telling them apart is part of the task.
    """
    place = {name: number for number, name in reversed(list(enumerate(names)))}
    distinct = torch.tensor(sorted(place.values()))
    found = torch.empty(len(own), min(count, len(distinct)), dtype=torch.long)
    for row, name in enumerate(own):
        shuffled = distinct[torch.randperm(len(distinct), generator=random)]
        found[row, 0] = place[name]
        found[row, 1:] = shuffled[shuffled != place[name]][: found.shape[1] - 1]
    return found


def is_first(pictures: Tensor, captions: Tensor, chosen: Tensor) -> Tensor:
    """Whether each picture [N, D] is closer to the first of its captions than to all others: bool [N].

    ``captions`` [M, D]; ``chosen`` [N, C], places among them, the right one first. All of unit length.
    """
    alike = torch.einsum("nd,ncd->nc", pictures, captions[chosen])
    return alike[:, 0] > alike[:, 1:].max(1).values


def nearest(
    pictures: Tensor, pool: Tensor, names: Sequence[str] | None = None, part: int = 1024
) -> tuple[Tensor, Tensor]:
    """Root mean squared distance [N] of uint8 [N, ...] to the nearest of ``pool`` [M, ...], and its place [N].

    Of values in 0..1. With ``names``, one a member of ``pool``, ``pictures`` are its first members, and each looks for
    the nearest of another name.
    """
    flat = pictures.flatten(1).float() / 255
    best, places = torch.full((len(flat),), torch.inf), torch.zeros(len(flat), dtype=torch.long)
    groups = _numbered(names) if names is not None else None
    for start in range(0, len(pool), part):
        others = pool[start : start + part].flatten(1).float() / 255
        squares = _squares(flat, others)
        if groups is not None:
            squares[groups[: len(flat), None] == groups[start : start + part]] = torch.inf
        least, place = squares.min(1)
        places = torch.where(least < best, place + start, places)
        best = torch.minimum(best, least)
    return (best / flat.shape[1]).sqrt(), places


def between(pictures: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Root mean squared distances of all pairs among ``count`` random members of uint8 [N, ...], of values in 0..1."""
    flat = pictures[torch.randperm(len(pictures), generator=random)[:count]].flatten(1).float() / 255
    one, other = torch.triu_indices(len(flat), len(flat), 1)
    squares = _squares(flat, flat)[one, other]
    return (squares / flat.shape[1]).sqrt()


def _squares(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances [N, M] of [N, D] and [M, D]."""
    sizes = one.square().sum(1, keepdim=True) + other.square().sum(1)
    return torch.addmm(sizes, one, other.T, alpha=-2).clamp(min=0)


def _numbered(names: Sequence[str]) -> Tensor:
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([number[name] for name in names])
