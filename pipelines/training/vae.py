"""One step of a variational autoencoder (Kingma and Welling 2014), and what it shows: pictures beside their copies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.autoencoder import Autoencoder
from pipelines.training.data import DataSet
from pipelines.training.elbo import active_units, distance, divergence, reconstruction, warmed_up, with_free_bits
from pipelines.training.ema import Averaging, averaged_copy, decay
from pipelines.training.networks import build
from pipelines.training.optimizers import adam
from pipelines.training.plane_networks import PointAutoencoder
from pipelines.training.recipe import Recipe
from pipelines.training.shape import Shape
from pipelines.training.showing import Layout, Showing, layout


class Vae(Recipe):
    """Encoder and generator under one Adam, and their average."""

    def __init__(self, request: TrainingRequest, data: DataSet, device: Device) -> None:
        super().__init__(request, data, device)
        place, cpu = device.torch_device, torch.device("cpu")
        make: Callable[[Shape], Autoencoder | PointAutoencoder] = PointAutoencoder if data.plane else Autoencoder
        self._live = build(make, self.shape, self.randomness.generator("weights", 0, cpu), place)
        self._averaged = averaged_copy(self._live)
        self._averaging = Averaging(self._averaged, self._live)
        self.modules = {"vae": self._live, "average": self._averaged}
        self.optimizers = {"vae": adam(self._live, request.learning_rate, (0.9, 0.999))}
        self._places = layout(self.shape.classes)
        self._originals = self._choose(self._places)

    @property
    def generator(self) -> tuple[str, nn.Module]:
        return "points" if self.shape.plane else "upsampling", self._averaged.generator

    def step(self, step: int, rows: Tensor) -> Tensor:
        """See ``Recipe``; what reconstruction and divergence cost in nats a picture, and the active units."""
        self.tune()
        pictures, labels = self.data.batch(rows), self.labels(rows)
        noise = self.randomness.noise("code", step, len(pictures), self.shape.latent)
        with self._arithmetic():
            made, means, spreads = self._network("vae")(pictures, labels, noise)
        copied = distance(made, pictures) if self.shape.plane else reconstruction(made, pictures)
        apart = divergence(means, spreads)
        dials = self.dials
        beta = warmed_up(dials.beta, dials.share, dials.warmup)
        self.optimizers["vae"].zero_grad()
        (copied + beta * with_free_bits(apart, dials.free_bits)).backward()  # type: ignore[no-untyped-call]
        self.optimizers["vae"].step()
        self._averaging.update(decay(step, self.dials.averaging))
        with torch.no_grad():
            return torch.stack([copied, apart.sum(), active_units(means)])

    @torch.no_grad()
    def show(self) -> Showing:
        """In the left half of each row pictures, each with its reconstruction beside it; in the right half samples."""
        if self.shape.plane:
            return super().show()
        places, pairs = self._places, self._pairs
        samples = self._draw(places)
        samples = samples.view(places.rows, places.columns, *samples.shape[1:])
        originals, labels = self.data.batch(self._originals), self.labels(self._originals)
        copies = self._averaged.reconstruct(originals, labels)
        beside = torch.stack([originals, copies], 1).view(places.rows, 2 * pairs, *samples.shape[2:])
        shown = torch.cat([beside, samples[:, : places.columns - 2 * pairs]], 1)
        return Showing(shown.flatten(0, 1), places.columns, split=2 * pairs)

    @property
    def _pairs(self) -> int:
        """Pictures beside their reconstructions in each row."""
        return self._places.columns // 4

    def _choose(self, places: Layout) -> Tensor:
        """Which pictures are reconstructed, (rows * pairs,): the same each time, of a row's class where it has one."""
        drawn = self.randomness.generator("show rows", 0, torch.device("cpu"))
        shuffled = torch.randperm(len(self.data), generator=drawn)
        if places.classes is None:
            return _some(shuffled, places.rows * self._pairs).to(self._place)
        labels = self.data.labels.cpu()[shuffled]
        rows = torch.bincount(places.classes).tolist()  # of each class
        found = [_some(shuffled[labels == label], count * self._pairs) for label, count in enumerate(rows)]
        return torch.cat(found).to(self._place)


def _some(rows: Tensor, count: int) -> Tensor:
    """The first ``count`` of ``rows``, from the beginning again where there are fewer."""
    return rows.repeat(-(-count // len(rows)))[:count]
