"""One step of a generative adversarial network, whatever its networks and losses.

Both networks learn from the same fake pictures: the generator's graph is kept while the discriminator learns, which
saves a pass in three. The discriminator's weights are frozen while the generator learns through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.data import DataSet
from pipelines.training.ema import average, averaged_copy, decay
from pipelines.training.losses import AdversarialLoss, r1_penalty
from pipelines.training.networks import GENERATORS, Shape, build
from pipelines.training.optimizers import adam
from pipelines.training.recipe import Recipe


@dataclass(frozen=True)
class Ingredients:
    """What sets one GAN apart. ``together``: real and fake pictures go through the discriminator in one batch."""

    generator: str
    discriminator: Callable[[Shape], nn.Module]
    loss: AdversarialLoss
    betas: tuple[float, float]
    penalised: bool
    together: bool


class Gan(Recipe):
    """Generator, its average, discriminator, and an Adam for each of the two that learn."""

    def __init__(self, request: TrainingRequest, data: DataSet, device: Device, ingredients: Ingredients) -> None:
        super().__init__(request, data, device)
        self.ingredients = ingredients
        place, cpu = device.torch_device, torch.device("cpu")
        start = self.randomness.generator("weights", 0, cpu), self.randomness.generator("weights", 1, cpu)
        self._generator = build(GENERATORS[ingredients.generator], self.shape, start[0], place)
        self._discriminator = build(ingredients.discriminator, self.shape, start[1], place)
        self._averaged = averaged_copy(self._generator)
        self.modules = {"g": self._generator, "d": self._discriminator, "average": self._averaged}
        self.optimizers = {
            name: adam(self.modules[name], request.learning_rate, ingredients.betas) for name in ("g", "d")
        }
        if ingredients.penalised:
            self.memory = {"penalty": torch.zeros((), device=place)}
        self._place = place
        # half the time of a step on CPUs that have it; float16 would need loss scaling, so others stay at float32
        self._half = device.dtype == "bfloat16"

    @property
    def generator(self) -> tuple[str, nn.Module]:
        return self.ingredients.generator, self._averaged

    def step(self, step: int, rows: Tensor) -> Tensor:
        """See ``Recipe``; the losses of both, the share of real and of fake pictures told right, the penalty."""
        real = self.data.batch(rows)
        noise = self.randomness.noise("noise", step, len(real), self.shape.latent)
        with self._arithmetic():
            fake = self._generator(noise)
        fake = fake.float()
        judged = self._teach_discriminator(step, real, fake.detach())
        loss = self._teach_generator(real, fake)
        average(self._averaged, self._generator, decay(step))
        return torch.stack([loss, *judged, *self.memory.values()])

    def _teach_discriminator(self, step: int, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Loss without penalty, share of real pictures with positive logits, share of fake ones with negative."""
        on_real, on_fake = self._judge(real, fake)
        loss = self.ingredients.loss.discriminator(on_real, on_fake)
        total = loss
        every = self.request.penalty_every
        if self.ingredients.penalised and self.request.gamma > 0 and step % every == 0:
            # now and then, and as much stronger (lazy regularisation, Karras et al. 2020, section 3.1)
            penalty = r1_penalty(self._discriminator, real)
            total = loss + 0.5 * self.request.gamma * every * penalty
            self.memory["penalty"].copy_(penalty.detach())
        self.optimizers["d"].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.optimizers["d"].step()
        with torch.no_grad():
            return loss.detach(), (on_real > 0).float().mean(), (on_fake < 0).float().mean()

    def _judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        with self._arithmetic():
            if self.ingredients.together:
                on_real, on_fake = self._discriminator(torch.cat([real, fake])).chunk(2)
            else:
                on_real, on_fake = self._discriminator(real), self._discriminator(fake)
        return on_real.float(), on_fake.float()

    def _teach_generator(self, real: Tensor, fake: Tensor) -> Tensor:
        self._discriminator.requires_grad_(False)
        with self._arithmetic():
            on_fake = self._discriminator(fake)
            on_real = self._discriminator(real) if self.ingredients.loss.paired else on_fake
        loss = self.ingredients.loss.generator(on_real.float(), on_fake.float())
        self.optimizers["g"].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizers["g"].step()
        self._discriminator.requires_grad_(True)
        return loss.detach()

    def _arithmetic(self) -> torch.autocast:
        return torch.autocast(self._place.type, torch.bfloat16, enabled=self._half)
