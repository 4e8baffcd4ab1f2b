"""Trains one network of the sticker model for some minutes, and goes on where it was killed.

A ``Stage`` says what a step is; this module knows the clock, the learning rate's course (Hu et al. 2024: warm up, stay,
decay at the end), averaged weights, checkpoints, and when to say a line and draw a sheet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor, nn

from pipelines.errors import StudioError
from pipelines.sticker.network import Network
from pipelines.training.checkpoints import BrokenCheckpoint, CheckpointFolder, Position

WARM_UP = 100  # steps
SAVE_EVERY = 150.0  # seconds: what a kill can cost. A checkpoint has a few hundred megabytes and takes a second or two
LOWEST = 0.02  # of the learning rate, at the end of the decay


class Stage(Protocol):
    """What is trained: ``net`` by ``optimizers`` on ``loss``; ``random`` is the source of all its chance."""

    name: str
    optimizers: list[torch.optim.Optimizer]
    random: torch.Generator
    batch: int

    @property
    def net(self) -> Network:
        """The network that learns."""
        ...

    def loss(self) -> Tensor:
        """The loss of a fresh batch, with its graph."""
        ...

    def sheet(self, net: Any) -> Image.Image:
        """What ``net`` makes by now."""
        ...

    def request(self) -> dict[str, Any]:
        """The settings a checkpoint has to agree with."""
        ...


class Trainer:
    """A stage with its clock, its averaged weights and its folder of checkpoints."""

    def __init__(self, stage: Stage, folder: Path, decay: float = 0.998) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.stage = stage
        self.folder = folder
        self.checkpoints = CheckpointFolder(folder)
        self.checkpoints.sweep()
        self.average = deepcopy(stage.net).eval().requires_grad_(False)
        self.decay = decay
        self.step = 0
        self.seconds = 0.0
        self._rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in stage.optimizers]
        self._losses: list[Tensor] = []

    # ------------------------------------------------------------------------------------- the clock

    def run(self, minutes: float, cool: float = 0.25, told: float = 15.0, drawn: float = 300.0) -> Iterator[str]:
        """Trains for ``minutes``, the last ``cool`` of them with a falling learning rate; yields lines to print."""
        budget, began, start_step = 60 * minutes, time.monotonic(), self.step
        before = self.seconds
        told_at = drawn_at = saved_at = 0.0
        told_step = self.step
        while (spent := time.monotonic() - began) < budget:
            self.advance(min(1.0, (1 - spent / budget) / cool) if cool else 1.0)
            self.seconds = before + time.monotonic() - began
            now = time.monotonic() - began
            if now - told_at >= told:
                rate = (self.step - told_step) * self.stage.batch / (now - told_at)
                told_at, told_step = now, self.step
                yield (
                    f"{self.stage.name}: step {self.step}  {self.seconds:7.0f} s  {rate:6.1f} pictures/s  "
                    f"loss {self.loss():.4f}"
                )
            if now - saved_at >= SAVE_EVERY:
                saved_at = now
                self.save()
            if now - drawn_at >= drawn:
                drawn_at = now
                self.draw()
        self.save()
        self.draw()
        yield f"{self.stage.name}: {self.step - start_step} steps in {minutes:g} minutes, {self.step} in all"

    def advance(self, share: float = 1.0, parts: int = 1, pause: Callable[[], None] = lambda: None) -> None:
        """One step at ``share`` of the learning rate, from ``parts`` batches; ``pause`` is called on the way."""
        factor = min(1.0, (self.step + 1) / WARM_UP) * max(LOWEST, share)
        for optimizer, rates in zip(self.stage.optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        for _ in range(parts):
            loss = self.stage.loss()
            pause()
            (loss / parts).backward()  # type: ignore[no-untyped-call]
            self._losses.append(loss.detach())
            pause()
        nn.utils.clip_grad_norm_(self.stage.net.parameters(), 1.0)
        for optimizer in self.stage.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._follow()

    @property
    def unread(self) -> int:
        """Batches whose loss was not asked for."""
        return len(self._losses)

    def loss(self) -> float:
        """Mean since it was asked last. Raises ``StudioError`` where it is not a number."""
        mean = self.mean_loss()
        if mean != mean:
            raise StudioError("sticker.nan", "The training ran into numbers that are none. Lower the learning rate.")
        return mean

    def mean_loss(self) -> float:
        """Mean since it was asked last, whatever it is."""
        mean = float(torch.stack(self._losses).float().mean()) if self._losses else float("nan")
        self._losses.clear()
        return mean

    @torch.no_grad()
    def _follow(self) -> None:
        """The averaged weights come closer: quickly at first, by 1 - ``decay`` a step later."""
        keep = min(self.decay, (1 + self.step) / (10 + self.step))
        mine: list[Tensor] = list(self.average.parameters())
        torch._foreach_lerp_(mine, list(self.stage.net.parameters()), 1 - keep)
        for own, other in zip(self.average.buffers(), self.stage.net.buffers(), strict=True):
            own.copy_(other)

    # ------------------------------------------------------------------------------------- the folder

    def draw(self) -> None:
        """A sheet of what the averaged weights make."""
        self.stage.sheet(self.average).save(self.folder / f"{self.stage.name}-{self.step:07d}.webp", quality=85)

    def save(self) -> Path:
        """A checkpoint with everything the next step needs."""
        return self.checkpoints.save(Position(self.step, self.seconds, self.stage.request()), self.state())

    def state(self) -> dict[str, Tensor]:
        """Everything the next step needs, on the CPU. There these are the live ones: write them before it."""
        tensors = {f"net.{name}": value for name, value in self.stage.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for place, optimizer in enumerate(self.stage.optimizers):
            tensors |= {f"optimizer.{place}.{name}": value for name, value in _moments(optimizer)}
        tensors["random"] = self.stage.random.get_state()
        return {name: value.detach().cpu() for name, value in tensors.items()}

    def resume(self) -> bool:
        """Goes to the newest checkpoint that loads; False where there is none. One of another recipe is refused."""
        for path in self.checkpoints.paths():
            try:
                position, tensors = self.checkpoints.load(path)
            except BrokenCheckpoint:
                continue
            if position.request != self.stage.request():
                raise StudioError(
                    "sticker.other",
                    "The checkpoint in {folder} is of other settings: {found}. Choose another folder.",
                    folder=str(self.folder),
                    found=str(position.request),
                )
            self.restore(position, tensors)
            return True
        return False

    def restore(self, position: Position, tensors: Mapping[str, Tensor]) -> None:
        """Goes to where ``state`` was taken; losses that were not asked for are forgotten."""
        self._losses.clear()
        self.stage.net.load_state_dict(_under("net.", tensors))
        self.average.load_state_dict(_under("average.", tensors))
        for place, optimizer in enumerate(self.stage.optimizers):
            _set_moments(optimizer, _under(f"optimizer.{place}.", tensors))
        self.stage.random.set_state(tensors["random"].cpu())
        self.step, self.seconds = position.step, position.seconds


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _moments(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for place, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            yield f"{place}.{name}", torch.as_tensor(value)


def _set_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    parameters = list(_parameters(optimizer))
    optimizer.state.clear()
    for key, value in moments.items():
        place, _, name = key.partition(".")
        parameter = parameters[int(place)]
        # a fused optimizer counts its steps where its parameters are, any other one on the CPU
        there = parameter.device if value.ndim or optimizer.defaults.get("fused") else value.device
        optimizer.state[parameter][name] = value.to(there, copy=True)


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    for group in optimizer.param_groups:
        yield from group["params"]


def plain_config(net: Network) -> dict[str, Any]:
    """The settings the network was made with, as JSON gives them back."""
    own = {name: value for name, value in net.config.items() if not name.startswith("_")}
    settings: dict[str, Any] = json.loads(json.dumps(own))
    return settings


Net = TypeVar("Net", bound=nn.Module)


def channels_last(net: Net) -> Net:
    """The same network with its weights laid out as fast convolutions want them."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def compiled(module: Callable[..., Any], wanted: bool) -> Callable[..., Any]:
    """``module`` compiled where ``wanted``: fuses what lies between the matrix products, which is half of the time."""
    return torch.compile(module) if wanted else module
