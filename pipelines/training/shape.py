"""What a network is made for: how much noise, which pictures, how many classes. Plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

SLOPE = 0.2  # of every leaky ReLU
COARSEST = 8  # networks begin, or end, at the first map that is no larger


@dataclass(frozen=True)
class Shape:
    """Noise of ``latent`` numbers, pictures of ``channels`` x ``size`` x ``size``, networks of ``width``.

    ``size`` is divisible by 4, or 1 for points in the plane, which have 2 channels. ``classes`` 0: the networks know of
    none.
    """

    latent: int
    width: int
    channels: int
    size: int
    classes: int = 0

    @property
    def plane(self) -> bool:
        """Whether these are points in the plane."""
        return self.size == 1

    @property
    def stages(self) -> int:
        """How often a picture is halved on the way to the coarsest map: twice at 28 and 32 pixels, 3 times at 64."""
        stages = 2
        while self.start_after(stages) > COARSEST and self.start_after(stages) % 2 == 0:
            stages += 1
        return stages

    def start_after(self, stages: int) -> int:
        """The edge of a picture that was halved ``stages`` times."""
        return self.size >> stages

    @property
    def start(self) -> int:
        """The edge of the coarsest map: 7 for pictures of 28 pixels, 8 for 32 and 64."""
        return self.start_after(self.stages)

    @property
    def pixels(self) -> int:
        """Numbers in one picture."""
        return self.channels * self.size**2
