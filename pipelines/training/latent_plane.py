"""Ways through the space a generator draws from: a plane of two directions, and the way between two of its points.

Knows noise and how pictures vary with it; not what is drawn for whom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.training.randomness import Randomness

TRIED = 256  # pictures from which the principal directions are found
EDGE = 16  # pixels they are looked at with: a direction is to change what is seen, not single pixels


@dataclass(frozen=True)
class Plane:
    """A plane through ``centre`` (latent,) along ``across`` and ``up``, (latent,) each, of length 1, at right angles.

    A place is (u, v), -1 to 1 each; at 1 the way along a direction is ``spread`` times as long as the centre's noise.
    """

    centre: Tensor
    across: Tensor
    up: Tensor
    spread: float

    def at(self, places: Tensor) -> Tensor:
        """Noise (N, latent) at ``places`` (N, 2), as long as the centre's.

        Noise of many dimensions lies near a sphere, and a generator has seen nothing else (White 2016, section 2).
        """
        length = self.centre.norm()
        ways = places @ torch.stack([self.across, self.up])
        found = self.centre + self.spread * length * ways
        kept: Tensor = length * found / found.norm(dim=1, keepdim=True).clamp(min=1e-6)
        return kept


def raster(cells: int, device: torch.device) -> Tensor:
    """Places (cells * cells, 2) row by row from the top left, where u is -1 and v is 1."""
    steps = torch.linspace(-1, 1, cells, device=device) if cells > 1 else torch.zeros(1, device=device)
    down, across = torch.meshgrid(-steps, steps, indexing="ij")
    return torch.stack([across.flatten(), down.flatten()], 1)


def between(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Noise (count, latent) from ``start`` to ``end``, (latent,) each, along the great circle (Shoemake 1985, slerp).

    sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end, w the angle between them; straight where they point alike.
    """
    shares = torch.linspace(0, 1, count, device=start.device)[:, None]
    cosine = torch.dot(start, end) / (start.norm() * end.norm()).clamp(min=1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if float(torch.sin(angle)) < 1e-4:
        return (1 - shares) * start + shares * end
    return (torch.sin((1 - shares) * angle) * start + torch.sin(shares * angle) * end) / torch.sin(angle)


def random_directions(randomness: Randomness, latent: int) -> tuple[Tensor, Tensor]:
    """Two of length 1 at right angles, drawn at random."""
    one, two = randomness.noise("directions", 0, 2, latent)
    return _square(one, two)


@torch.no_grad()
def principal_directions(
    draw: Callable[[Tensor], Tensor], randomness: Randomness, latent: int
) -> tuple[Tensor, Tensor]:
    """The two along which the pictures change most.

    After GANSpace (Harkonen et al. 2020, section 2.2): the principal components of what many random pictures look like,
    taken back to the noise by least squares, here W = argmin sum |W z - x|^2. Theirs are of a layer's activations;
    these are of the pictures themselves, made small, which every generator has. ``draw``: noise (N, latent) ->
    pictures (N, C, S, S).
    """
    noise = randomness.noise("principal", 0, max(TRIED, 2 * latent), latent)
    pictures = draw(noise)
    if pictures.shape[-1] > EDGE:
        pictures = torch.nn.functional.adaptive_avg_pool2d(pictures, EDGE)
    seen = pictures.flatten(1) - pictures.flatten(1).mean(0)
    _, _, components = torch.linalg.svd(seen, full_matrices=False)
    scores = seen @ components[:2].T  # (N, 2)
    ways = torch.linalg.lstsq(noise.cpu(), scores.cpu()).solution.T.to(noise.device)
    return _square(*(way * _sign(way) for way in ways))


def _sign(way: Tensor) -> Tensor:
    """So that a direction does not turn round with the arithmetic of another machine."""
    return torch.sign(way[way.abs().argmax()])


def _square(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """Both of length 1, the second at right angles to the first (Gram and Schmidt)."""
    one = one / one.norm().clamp(min=1e-12)
    two = two - torch.dot(one, two) * one
    return one, two / two.norm().clamp(min=1e-12)
