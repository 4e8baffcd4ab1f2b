"""The real pictures as a judge sees them, and samples measured against them: the figures named in ``measure_names``.

Knows a data set and its judge; nothing of the training. What it holds is the same for every training on these pictures,
so it is kept for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.training.data import DataSet
from pipelines.training.judge import Coordinates, Judge, open_judge
from pipelines.training.measures import (
    Gaussian,
    classes_present,
    effective_classes,
    frechet_distance,
    kernel_distance,
    nearest,
    spread,
)
from pipelines.training.randomness import Randomness

SAMPLES = 500  # at most; the same number of real pictures is the floor
POOL = 4000  # real pictures that samples are laid beside
BATCH = 50  # pictures between two pauses
KEPT = 4
DUPLICATE = 1e-4  # features as near as this are those of the same picture
CPU = torch.device("cpu")

Pause = Callable[[], None]


@dataclass(frozen=True)
class Reference:
    """Real pictures (N, D), split by chance: the first ``count`` stand where samples would, the ``pool`` is the rest.

    Features are centred and divided by one number, so that real ones have a variance of 1 on average: a distance means
    about the same whatever the data. ``labels`` (N,) are their classes; None where pictures have none.
    """

    judge: Judge | Coordinates
    place: torch.device
    count: int
    centre: Tensor
    unit: Tensor
    features: Tensor
    labels: Tensor | None
    gaussian: Gaussian
    floor: float
    #: the mean distance of two real pictures, and the median distance of one to the nearest other
    apart: float
    beside: float

    @classmethod
    def of(cls, data: DataSet, pause: Pause, samples: int = 0) -> Reference:
        """Looks at up to ``samples`` + ``POOL`` pictures of ``data``, calling ``pause`` between batches."""
        samples = samples or SAMPLES
        place = data.images.device
        judge = open_judge(data, place)
        rows = torch.randperm(len(data), generator=Randomness(0, CPU).generator("reference"))[: samples + POOL]
        raw = torch.cat(list(_looked(judge, data, rows, pause)))
        centre = raw.mean(0)
        unit = (raw - centre).square().mean().sqrt().clamp(min=1e-6)
        features = (raw - centre) / unit
        count = min(samples, len(rows) // 2)
        instead, pool = features[:count], features[count:]
        gaussian = Gaussian.of(pool)
        floor = frechet_distance(Gaussian.of(instead), gaussian)
        labels = data.labels.cpu()[rows] if data.classes else None
        beside = _beside(features, count)
        return cls(judge, place, count, centre, unit, features, labels, gaussian, floor, spread(instead) or 1.0, beside)

    @property
    def pool(self) -> Tensor:
        """(M, D): those that none of the other half of a comparison is taken from."""
        return self.features[self.count :]

    def look(self, pictures: Tensor) -> Tensor:
        """Features (B, D) on the CPU of ``pictures`` (B, C, S, S) in -1 to 1."""
        features: Tensor = self.judge(pictures).cpu()
        return (features - self.centre) / self.unit

    def measure(self, features: Tensor) -> dict[str, float]:
        """Every figure of samples with ``features`` (N, D); those of classes only where pictures have some.

        Novelty is asked of all real pictures: whoever learns fifty by heart copies those outside the pool too.
        """
        distances, places = nearest(features, self.features)
        figures = {
            "frechet": frechet_distance(Gaussian.of(features), self.gaussian),
            "floor": self.floor,
            "kernel": kernel_distance(features, self.pool[: 2 * self.count]),
            "diversity": spread(features) / self.apart,
            "novelty": float(distances.median()) / self.beside,
        }
        if self.labels is None:
            return figures
        found = self.judge.classes((features * self.unit + self.centre).to(self.place))
        found = self.labels[places] if found is None else found.cpu()
        return figures | {
            "classes": float(classes_present(found, self.labels)),
            "effective_classes": effective_classes(found),
        }


def _beside(features: Tensor, count: int) -> float:
    """The median distance of the first ``count`` of ``features`` (N, D) to the nearest other that is no duplicate."""
    distances = torch.cdist(features[:count].double(), features.double())
    distances[distances < DUPLICATE] = torch.inf  # itself among them
    found = distances.min(1).values
    found = found[found.isfinite()]
    return float(found.median()) if len(found) else 1.0


def _looked(judge: Judge | Coordinates, data: DataSet, rows: Tensor, pause: Pause) -> Iterator[Tensor]:
    for first in range(0, len(rows), 5 * BATCH):
        some = rows[first : first + 5 * BATCH].to(data.images.device)
        with torch.no_grad():
            yield judge(data.batch(some)).cpu()
        pause()


class References:
    """The last few that were made, by the pictures they are of."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], Reference] = {}

    def of(self, data: DataSet, pause: Pause) -> Reference:
        """That of ``data``; made where there is none yet."""
        key = data.name, data.sha256, str(data.images.device)
        found = self._kept.pop(key, None) or Reference.of(data, pause)
        self._kept[key] = found
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found


REFERENCES = References()
