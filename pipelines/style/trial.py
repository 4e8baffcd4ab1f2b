"""Tries each engine on a small copy of the photo, so that the page can say beforehand how long a painting will take.

Makes nothing but figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from pipelines.base import Event, Progress, Result, Turn
from pipelines.style.arbitrary import BOTTLENECK
from pipelines.style.gatys import optimised
from pipelines.style.lift import lifted, reduced
from pipelines.style.multistyle import STYLES
from pipelines.style.networks import Networks
from pipelines.style.painters import Painters, Pass, resized
from pipelines.style.photo import Pixels8, open_photo
from pipelines.style.request import StyleRequest

#: edge for the networks and for the optimisation, in pixels, and evaluations of that
EDGE, SMALL, STEPS = 384, 192, 3
#: edge of a painting that is brought to its size
LARGE = 1024


class Trial:
    """Runs a request for a trial: each network twice, as the first time chooses kernels, and a short optimisation."""

    def __init__(self, networks: Networks, request: StyleRequest, turn: Turn) -> None:
        self.networks, self.turn = networks, turn
        self.photo = request.photo
        self.painters = Painters(networks, request, turn)

    def events(self) -> Iterator[Event]:
        with self.turn.aside():
            pixels = open_photo(self.turn.read(self.photo)).pixels
        yield Progress("painting")
        networks, device = self.networks, self.networks.device.torch_device
        first = networks.multistyle.stack(torch.eye(STYLES, device=device)[0])
        second = networks.arbitrary.transformer.stack(torch.zeros(BOTTLENECK, device=device))
        seen = resized(pixels, (EDGE, EDGE))
        for engine, stack in (("builtin", first), ("picture", second)):
            for _ in range(2):
                yield from self.painters.fast(seen, [Pass(engine, stack, 1.0, 1.0, 0)], {}, told=False)
        rates = {
            **self.painters.rates,
            "lift": self._lift(resized(pixels, (LARGE, LARGE))),
            "finest": self._finest(resized(pixels, (SMALL, SMALL))),
        }
        yield Result((), {**facts_of(rates), "number_bytes": self.networks.device.torch_dtype.itemsize})

    def _lift(self, seen: Pixels8) -> float:
        """Device seconds for each million pixels of a painting that is brought to its size."""
        small = reduced(seen, (EDGE, EDGE))
        began = self.turn.device_seconds
        lifted(small, small, seen, self.painters.between)
        return (self.turn.device_seconds - began) / (LARGE * LARGE / 1e6)

    def _finest(self, seen: Pixels8) -> float:
        """Device seconds for each million pixels of an evaluation, the first one left out."""
        photo = self.networks.seeing.tensor(seen)
        began = self.turn.device_seconds
        features = self.networks.seeing.features()
        steps = optimised(features, photo, [(1.0, photo)], STEPS + 1, self.painters.between, coarse=False)
        for step in steps:
            if step.number == 1:
                began = self.turn.device_seconds
        return (self.turn.device_seconds - began) / (STEPS * SMALL * SMALL / 1e6)


def facts_of(rates: dict[str, float]) -> dict[str, float]:
    """``rates`` as the facts of a result."""
    return {f"rate_{engine}": round(rate, 4) for engine, rate in rates.items()}
