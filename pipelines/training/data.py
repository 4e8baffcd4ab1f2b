"""A data set as one tensor in memory, and the order in which a training goes through it.

Knows the files of ``datasets``, and points in the plane. Uses no loader processes: picking rows of a tensor is
quicker than any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training.datasets import DataSetInfo, dataset_info
from pipelines.training.idx import Bytes, digest_of, read_idx
from pipelines.training.own_set import read_pictures
from pipelines.training.plane import points_of
from pipelines.training.randomness import Randomness
from pipelines.training.sheets import halved, read_sheet


@dataclass(frozen=True)
class DataSet:
    """``images`` uint8 (N, C, H, W), ``labels`` int64 (N,), both on one device; ``sha256`` names their bytes.

    Points in the plane are pictures of one pixel with two channels, float32 (N, 2, 1, 1).
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        return int(self.images.shape[1])

    @property
    def plane(self) -> bool:
        """Whether these are points in the plane."""
        return self.images.is_floating_point()

    @property
    def size(self) -> int:
        """The edge of the square pictures, in pixels."""
        return int(self.images.shape[2])

    def to(self, device: torch.device) -> DataSet:
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def batch(self, rows: Tensor) -> Tensor:
        """The pictures of ``rows`` (B,) as float32 (B, C, H, W) in -1 to 1; points as they are."""
        chosen = self.images[rows]
        return chosen if self.plane else floats(chosen)


def load_dataset(name: str) -> DataSet:
    """The data set called ``name``, in main memory.

    Raises ``StudioError`` where there is none of that name, or where its files are not what was published.
    """
    info = dataset_info(name)
    if info.plane:
        return _plane(info)
    if not all(path.is_file() for path in info.files):
        raise StudioError(
            "training.data_missing", "The files of the data set {name} are not in this installation.", name=name
        )
    images, labels = read_sheets(info) if info.sheets else _idx(info)
    if digest_of(images, labels) != info.sha256:
        raise StudioError(
            "training.data_changed",
            "The files of the data set {name} have changed since it was published; install it again.",
            name=name,
        )
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return DataSet(name, pictures, torch.from_numpy(labels.astype("int64")), info.classes, info.sha256)


def own_data(request: TrainingRequest, read: Callable[[str], bytes], between: Callable[[], None]) -> DataSet | None:
    """The person's pictures that ``request`` names, read with ``read``; None where it names none.

    Calls ``between`` after each picture. Raises ``StudioError`` where they cannot be learned from.
    """
    if request.pictures is None:
        return None
    images = read_pictures(read(request.pictures), request.edge, request.crop, between)
    labels = np.zeros(len(images), np.uint8)
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return DataSet(request.dataset, pictures, torch.from_numpy(labels).long(), (), digest_of(images, labels))


def stand_in(request: TrainingRequest) -> DataSet | None:
    """One black picture in the place of the person's own, to build networks for; None where ``request`` names none."""
    if request.pictures is None:
        return None
    picture = torch.zeros(1, 3, request.edge, request.edge, dtype=torch.uint8)
    return DataSet(request.dataset, picture, torch.zeros(1, dtype=torch.int64), (), "")


def _idx(info: DataSetInfo) -> tuple[Bytes, Bytes]:
    """Pictures (N, S, S, 1) and labels (N,)."""
    images, labels = read_idx(info.images.read_bytes(), 3), read_idx(info.labels.read_bytes(), 1)
    return images[..., None].copy(), labels  # a copy, as the read is frozen


def read_sheets(info: DataSetInfo) -> tuple[Bytes, Bytes]:
    """Pictures (N, S, S, 3), class by class, and labels (N,)."""
    images = np.concatenate([read_sheet(info.sheet(name), count, info.sheet_edge) for name, count in info.sheets])
    labels = np.repeat(np.arange(len(info.sheets), dtype=np.uint8), [count for _, count in info.sheets])
    while images.shape[1] > info.size:
        images = halved(images)
    return images, labels


def _plane(info: DataSetInfo) -> DataSet:
    """Points, made anew; their digest is of what this machine's arithmetic makes of them."""
    points, labels = points_of(info.name)
    images = torch.from_numpy(points)[:, :, None, None]
    digest = hashlib.sha256(points.tobytes() + labels.tobytes()).hexdigest()
    return DataSet(info.name, images, torch.from_numpy(labels.astype("int64")), info.classes, digest)


def floats(pictures: Tensor) -> Tensor:
    """Bytes 0 to 255 as float32 -1 to 1."""
    return pictures.float().div_(127.5).sub_(1.0)


def to_bytes(pictures: Tensor) -> Tensor:
    """Floats -1 to 1 as bytes 0 to 255, rounded to nearest; what lies outside is clipped."""
    return pictures.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


class Order:
    """Which rows a step sees: whole passes, each in a new order, so that no picture is seen twice before all once."""

    def __init__(self, rows: int, batch: int, randomness: Randomness) -> None:
        self._rows = rows
        self._batch = batch
        self._randomness = randomness
        self._passes: dict[int, Tensor] = {}

    def rows(self, step: int) -> Tensor:
        """Row numbers (batch,) of ``step``, counted from 0; a batch may span the end of a pass."""
        first, last = step * self._batch, (step + 1) * self._batch
        parts = []
        while first < last:
            number, start = divmod(first, self._rows)
            stop = min(self._rows, start + last - first)
            parts.append(self._pass(number)[start:stop])
            first += stop - start
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _pass(self, number: int) -> Tensor:
        if number not in self._passes:
            # shuffled on the CPU, so that the order is the same on every device
            shuffler = self._randomness.generator("order", number, torch.device("cpu"))
            self._passes = {number: torch.randperm(self._rows, generator=shuffler).to(self._randomness.device)}
        return self._passes[number]
