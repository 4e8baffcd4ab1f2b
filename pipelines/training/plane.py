"""Points in the plane: three distributions that can be looked at whole, and how many of its modes a generator reaches.

Everything is made from a fixed seed in code; there are no files. Knows numpy; no torch, no networks, no drawing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

COUNT = 10_000
SEED = 8
#: a mode is covered when this share of the samples lies within three standard deviations of it
LEAST = 0.01
TURNS = 1.75  # of each arm of the spiral

Points = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Modes:
    """Round Gaussians of one ``spread`` around ``centres`` (M, 2), all as likely."""

    centres: Points
    spread: float


def _ring() -> Modes:
    turns = np.arange(8) / 8 * 2 * np.pi
    return Modes(np.stack([np.cos(turns), np.sin(turns)], 1).astype(np.float32), 0.05)


def _grid() -> Modes:
    places = np.linspace(-1, 1, 5)
    return Modes(np.stack(np.meshgrid(places, places), -1).reshape(-1, 2).astype(np.float32), 0.04)


#: those with modes to count; the spiral is one curve
MODES = {"ring": _ring(), "grid": _grid()}


def _gaussians(modes: Modes, random: np.random.Generator) -> tuple[Points, Labels]:
    """As many points of each mode; the class of a point is its mode."""
    labels = np.arange(COUNT) % len(modes.centres)
    noise = random.standard_normal((COUNT, 2))
    return (modes.centres[labels] + modes.spread * noise).astype(np.float32), labels.astype(np.uint8)


def _spiral(random: np.random.Generator) -> tuple[Points, Labels]:
    """Two arms of Archimedes' spiral, evenly along their length, each a class."""
    labels = np.arange(COUNT) % 2
    # the length of such an arm grows with the square of the angle, so the square root spreads points evenly
    angle = np.sqrt(random.uniform(0.02, 1, COUNT)) * TURNS * 2 * np.pi
    along = angle + labels * np.pi
    curve = np.stack([np.cos(along), np.sin(along)], 1) * (angle / (TURNS * 2 * np.pi))[:, None] * 1.1
    return (curve + 0.02 * random.standard_normal((COUNT, 2))).astype(np.float32), labels.astype(np.uint8)


_MAKERS: dict[str, Callable[[np.random.Generator], tuple[Points, Labels]]] = {
    "ring": lambda random: _gaussians(MODES["ring"], random),
    "spiral": _spiral,
    "grid": lambda random: _gaussians(MODES["grid"], random),
}


def points_of(name: str) -> tuple[Points, Labels]:
    """The points (10000, 2) of the distribution ``name`` and the class of each, the same every time."""
    return _MAKERS[name](np.random.default_rng(SEED))


def modes_covered(samples: Points, modes: Modes) -> int:
    """How many modes at least 1 % of ``samples`` (N, 2) lie within three standard deviations of."""
    apart = samples[:, None, :] - modes.centres[None]  # (N, M, 2)
    near = np.square(apart).sum(2) <= (3 * modes.spread) ** 2
    return int((near.sum(0) >= math.ceil(LEAST * len(samples))).sum())
