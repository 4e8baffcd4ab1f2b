"""What is known of a training when it is judged: its latest losses, its latest figures, its settings. Plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from pipelines.base import Scalar

WINDOW = 50  # steps that accuracies, gradients and KL are averaged over
FIRST = 100  # steps before anything is said
MATURE = 150  # and before anything is said of what the samples look like


@dataclass(frozen=True)
class Measured:
    """What samples were like after ``step``: the figures of ``measure_names``."""

    step: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Signals:
    """What is known of a training after ``step``, at ``share`` of its budget.

    ``recent`` has the last ``WINDOW`` values of each series. ``usual`` is how large each gradient was early on.
    ``settings`` are those that may be changed, as they stand. ``rate`` is the share of the learning rate that is left
    after ``returns`` to an earlier state, the last of them at ``returned``. ``classes`` and ``units``: of the data, of
    the code.
    """

    step: int
    share: float
    recent: Mapping[str, Sequence[float]]
    measured: Sequence[Measured] = ()
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    returns: int = 0
    returned: int = 0
    rate: float = 1.0
    classes: int = 0
    units: int = 0
    #: how many numbers the figures are taken in, each with a variance of 1 among real pictures
    features: int = 64
    #: whether the discriminator is shown augmented pictures; of points there are none
    augmented: bool = False
    #: the scores of a critic that measures a distance say nothing of who is winning
    scored: bool = True

    def mean(self, series: str) -> float:
        """Over the window."""
        return fmean(self.recent[series])

    @property
    def apart(self) -> float | None:
        """The share of real and fake pictures that are told right; None where that says nothing."""
        if not self.scored or not self.recent.get("real_accuracy"):
            return None
        return (self.mean("real_accuracy") + self.mean("fake_accuracy")) / 2

    @property
    def looks(self) -> Sequence[Measured]:
        """The last two measurements, once they can say something."""
        return self.measured[-2:] if self.step >= MATURE and len(self.measured) > 1 else ()

    def is_far(self, distance: float, times: float) -> bool:
        """Whether a Fréchet distance is more than ``times`` what real pictures have, and worth a word at all."""
        return distance > max(times * self.measured[-1].figures["floor"], 0.05 * self.features)

    def worst(self, figure: str) -> float | None:
        """The larger one of the last two; None before there are two."""
        return max((one.figures[figure] for one in self.looks if figure in one.figures), default=None)
