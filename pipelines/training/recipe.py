"""A recipe: the networks of a training and what one step does to them. Knows neither clocks, files nor people.

Its state is named tensors and nothing else: that is what a checkpoint holds, and what may be rewound or branched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.balance import Balance
from pipelines.training.data import DataSet
from pipelines.training.dials import Dials
from pipelines.training.optimizers import moments
from pipelines.training.plane_showing import plane_showing
from pipelines.training.randomness import Randomness
from pipelines.training.recipe_names import recipe_info
from pipelines.training.shape import Shape
from pipelines.training.showing import Layout, Showing, layout


class Recipe(ABC):
    """Networks, their optimizers, and a step. ``modules`` and ``optimizers`` share names where one trains the other."""

    def __init__(self, request: TrainingRequest, data: DataSet, device: Device) -> None:
        self.request = request
        self.data = data
        self.dials = Dials.of(request)
        self.balance = Balance()
        self.series = tuple(series.name for series in recipe_info(request.recipe).series)
        classes = len(data.classes) if request.conditional else 0
        self.shape = Shape(request.latent, request.width, data.channels, data.size, classes)
        self.randomness = Randomness(request.seed, device.torch_device)
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Adam] = {}
        #: further tensors that the next step depends on
        self.memory: dict[str, Tensor] = {}
        #: networks as steps call them where they were compiled, by name
        self._compiled: dict[str, Callable[..., Any]] = {}
        self._place = device.torch_device
        # half the time of a step on CPUs that have it; float16 would need loss scaling, so others stay at float32
        self._half = device.dtype == "bfloat16"

    @abstractmethod
    def step(self, step: int, rows: Tensor) -> Tensor:
        """One update from the pictures of ``rows`` (B,). Returns the values of ``series``, one each, on the device.

        A function of the state, the dials, ``step`` and ``rows`` alone; waits for nothing the device computes.
        """

    def alone(self, side: str, step: int, number: int) -> None:
        """The update ``number`` of ``side``, g or d, alone after ``step`` steps, for recipes that have two sides."""
        raise ValueError(f"{self.request.recipe} has no side {side} that could learn alone at step {step} ({number})")

    def compile(self, backend: str) -> None:
        """Lets the networks that learn be compiled at the next step; their weights stay where they are.

        Steps are then computed in another order of sums. Penalties and what is shown go on as written.
        """
        self._compiled = {name: torch.compile(self.modules[name], backend=backend) for name in self.optimizers}

    def _network(self, name: str) -> Callable[..., Any]:
        """The network ``name`` as a step calls it."""
        return self._compiled.get(name, self.modules[name])

    @property
    @abstractmethod
    def generator(self) -> tuple[str, nn.Module]:
        """The averaged network that makes pictures from noise, and its word in ``networks.GENERATORS``."""

    @torch.no_grad()
    def show(self) -> Showing:
        """Pictures (N, C, S, S) in -1 to 1 from the same noise each time; a row a class where there are classes.

        Of points in the plane the whole distribution.
        """
        if self.shape.plane:
            return plane_showing(self)
        places = layout(self.shape.classes)
        return Showing(self._draw(places), places.columns)

    def _draw(self, places: Layout) -> Tensor:
        noise = self.randomness.noise("show", 0, places.rows * places.columns, self.shape.latent)
        labels = None if places.labels is None else places.labels.to(self._place)
        pictures: Tensor = self.generator[1](noise, labels)
        return pictures

    def scores(self, pictures: Tensor, labels: Tensor | None) -> Tensor | None:
        """What the discriminator thinks of ``pictures``, logits (B,), changing nothing; None where there is none."""
        del pictures, labels
        return None

    @property
    def middle(self) -> float | None:
        """The score between real and fake; None where only differences count."""
        return 0.0

    def labels(self, rows: Tensor) -> Tensor | None:
        """The classes of ``rows`` (B,); None where the networks know of none."""
        return self.data.labels[rows] if self.shape.classes else None

    def tune(self) -> None:
        """Every learning rate becomes what the dials say."""
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.rate(name)

    def rate(self, name: str) -> float:
        """The learning rate of the optimizer called ``name``, as the dials say and a helper has turned it."""
        return self.dials.rate(name) * (self.balance.factor if name == "d" and self.dials.dynamic_rates else 1.0)

    def _arithmetic(self) -> torch.autocast:
        return torch.autocast(self._place.type, torch.bfloat16, enabled=self._half)

    def state(self) -> dict[str, Tensor]:
        """Every live tensor the next step depends on, by name. Nothing is copied."""
        return dict(self._tensors())

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, module in self.modules.items():
            yield from ((f"{name}/{key}", tensor) for key, tensor in module.state_dict().items())
        for name, optimizer in self.optimizers.items():
            yield from ((f"{name}.adam/{key}", tensor) for key, tensor in moments(self.modules[name], optimizer))
        yield from ((f"memory/{key}", tensor) for key, tensor in self.memory.items())

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Sets the state. Raises ``KeyError`` for other names than this recipe's, ``RuntimeError`` for other shapes."""
        own = self.state()
        if own.keys() != tensors.keys():
            raise KeyError(f"the state differs in {sorted(own.keys() ^ tensors.keys())[:3]}")
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape:
                raise RuntimeError(f"{name} is {tuple(tensors[name].shape)}, not {tuple(tensor.shape)}")
            tensor.copy_(tensors[name])
