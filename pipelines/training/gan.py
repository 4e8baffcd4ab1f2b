"""One step of a generative adversarial network, whatever its networks and losses.

Both networks learn from the same fake pictures: the generator's graph is kept while the discriminator learns, which
saves a pass in three. The discriminator's weights are frozen while the generator learns through it. With classes, a
fake picture is of the class of the real one it stands beside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.augment import augmented, is_on
from pipelines.training.data import DataSet
from pipelines.training.ema import Averaging, averaged_copy, decay
from pipelines.training.losses import AdversarialLoss, smoothed
from pipelines.training.networks import GENERATORS, build
from pipelines.training.optimizers import adam
from pipelines.training.penalties import R1, Penalty
from pipelines.training.recipe import Recipe
from pipelines.training.shape import Shape

REPEATED = 10**9  # updates that a helper adds are numbered from here, above those of all steps


@dataclass(frozen=True)
class Ingredients:
    """What sets one GAN apart. ``together``: real and fake pictures go through the discriminator in one batch."""

    generator: str
    discriminator: Callable[[Shape], nn.Module]
    loss: AdversarialLoss
    betas: tuple[float, float]
    penalty: Penalty | None = None
    together: bool = True


class Batch(NamedTuple):
    """Real pictures (B, C, S, S) and their classes (B,), where the networks know of any."""

    real: Tensor
    labels: Tensor | None


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
        self._averaging = Averaging(self._averaged, self._generator)
        self._judging = list(self._discriminator.parameters())
        self.modules = {"g": self._generator, "d": self._discriminator, "average": self._averaged}
        self.optimizers = {
            name: adam(self.modules[name], request.learning_rate, ingredients.betas) for name in ("g", "d")
        }
        if ingredients.penalty is not None:
            self.memory = {"penalty": torch.zeros((), device=place)}

    @property
    def generator(self) -> tuple[str, nn.Module]:
        return self.ingredients.generator, self._averaged

    @torch.no_grad()
    def scores(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """See ``Recipe``."""
        self._discriminator.eval()  # a spectral layer would move on
        with self._arithmetic():
            found = self._verdicts(pictures, labels, self._discriminator)
        self._discriminator.train()
        return found.float()

    @property
    def middle(self) -> float | None:
        return self.ingredients.loss.middle

    def step(self, step: int, rows: Tensor) -> Tensor:
        """See ``Recipe``; the losses of both, the share of real and of fake pictures told right, the penalty."""
        self.tune()
        turns, updates = self.dials.d_steps, self.balance.updates() if self.dials.sample_balance else 1
        for turn in range(step * turns, step * turns + (turns - 1 if updates else 0)):
            self._teach_once_more(turn, len(rows))
        if updates > 1:
            self._teach_once_more(REPEATED + step, len(rows))
        batch = Batch(self.data.batch(rows), self.labels(rows))
        fake = self._make("noise", step, batch)
        judged = self._teach_discriminator(step * turns + turns - 1, batch, fake.detach(), learns=updates > 0)
        loss = self._teach_generator(step, batch, fake)
        self._averaging.update(decay(step, self.dials.averaging))
        if self.dials.dynamic_rates or self.dials.sample_balance:  # which have to wait for the device
            self.balance.watch(float(judged[1] + judged[2]) / 2, self.dials.dynamic_rates)
        return torch.stack([loss, *judged, *self.memory.values()])

    def alone(self, side: str, step: int, number: int) -> None:
        """See ``Recipe``. Its draws have negative numbers, which no step has."""
        self.tune()
        turn, count = -1 - number, self.request.batch
        if side == "d":
            self._teach_once_more(turn, count)
            return
        batch = self._more(turn, count)
        self._teach_generator(turn, batch, self._make("more noise", turn, batch))
        self._averaging.update(decay(step, self.dials.averaging))

    def _make(self, purpose: str, number: int, batch: Batch) -> Tensor:
        noise = self.randomness.noise(purpose, number, len(batch.real), self.shape.latent)
        with self._arithmetic():
            fake: Tensor = self._network("g")(noise, batch.labels)
        return fake.float()

    def _teach_once_more(self, turn: int, count: int) -> None:
        """An update of the discriminator alone, from pictures drawn for it: the order is the generator's."""
        batch = self._more(turn, count)
        with torch.no_grad():
            fake = self._make("more noise", turn, batch)
        self._teach_discriminator(turn, batch, fake)

    def _more(self, turn: int, count: int) -> Batch:
        drawn = self.randomness.generator("more rows", turn, torch.device("cpu"))
        rows = torch.randint(len(self.data), (count,), generator=drawn).to(self._place)
        return Batch(self.data.batch(rows), self.labels(rows))

    def _teach_discriminator(
        self, turn: int, batch: Batch, fake: Tensor, learns: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss without penalty, share of real pictures and share of fake ones told right. It may only be asked."""
        batch = batch._replace(real=self._seen("real", turn, batch.real))
        fake = self._seen("fake", turn, fake)
        on_real, on_fake = self._judge(batch, fake)
        loss = self.ingredients.loss.discriminator(on_real, on_fake)
        if self.dials.label_smoothing:
            loss = smoothed(loss, on_real, self.dials.label_smoothing)
        if learns:
            self.optimizers["d"].zero_grad()
            total = loss + self._penalty(turn, batch, fake)
            total.backward()  # type: ignore[no-untyped-call]
            self.optimizers["d"].step()
        with torch.no_grad():
            return loss.detach(), *self.ingredients.loss.told_apart(on_real, on_fake)

    def _judge(self, batch: Batch, fake: Tensor) -> tuple[Tensor, Tensor]:
        with self._arithmetic():
            both = torch.cat([batch.real, fake])
            if self.ingredients.together:
                verdicts = self._verdicts(both, batch.labels)
            else:
                verdicts = self._verdicts(both, batch.labels, partial(self._network("d"), batches=2))
            on_real, on_fake = verdicts.chunk(2)
        return on_real.float(), on_fake.float()

    def _verdicts(
        self, pictures: Tensor, labels: Tensor | None, network: Callable[..., Tensor] | None = None
    ) -> Tensor:
        """Logits of one or several batches of ``pictures``, each of the classes ``labels``."""
        if labels is not None:
            labels = labels.repeat(len(pictures) // len(labels))
        verdicts: Tensor = (network or self._network("d"))(pictures, labels)
        return verdicts

    def _penalty(self, turn: int, batch: Batch, fake: Tensor) -> Tensor | float:
        """Now and then, and as much stronger (lazy regularisation, Karras et al. 2020, section 3.1)."""
        penalty, every = self.ingredients.penalty, self.dials.penalty_every
        if penalty is None and self.dials.gradient_penalty:
            penalty = R1
        if penalty is None or self.dials.gamma == 0 or turn % every:
            return 0.0
        drawn = self.randomness.generator("between", turn)
        shares = torch.rand(len(fake), generator=drawn, device=self._place)
        judge = self._discriminator  # as written: its slope is differentiated again
        value = penalty.measure(lambda some: self._verdicts(some, batch.labels, judge), batch.real, fake, shares)
        if "penalty" in self.memory:  # one that was added is in no curve
            self.memory["penalty"].copy_(value.detach())
        return penalty.factor * self.dials.gamma * every * value

    def _seen(self, purpose: str, number: int, pictures: Tensor) -> Tensor:
        """As the discriminator is shown them: augmented, and with instance noise."""
        if is_on(self.dials.augment, len(self.data), self.shape.plane):
            pictures = augmented(pictures, self.randomness.generator(f"augment {purpose}", number))
        return self._blurred(purpose, number, pictures)

    def _blurred(self, purpose: str, number: int, pictures: Tensor) -> Tensor:
        """With instance noise, which no discriminator can look through (Sonderby et al. 2017, section 3.2)."""
        spread = self.dials.noise_now
        if spread == 0:
            return pictures
        drawn = self.randomness.generator(f"instance noise {purpose}", number)
        return pictures + spread * torch.randn(pictures.shape, generator=drawn, device=self._place)

    def _teach_generator(self, step: int, batch: Batch, fake: Tensor) -> Tensor:
        self._freeze(True)
        with self._arithmetic():
            on_fake = self._verdicts(self._seen("generator", step, fake), batch.labels)
            paired = self.ingredients.loss.paired
            on_real = self._verdicts(self._seen("paired", step, batch.real), batch.labels) if paired else on_fake
        loss = self.ingredients.loss.generator(on_real.float(), on_fake.float())
        self.optimizers["g"].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizers["g"].step()
        self._freeze(False)
        return loss.detach()

    def _freeze(self, frozen: bool) -> None:
        """Whether the discriminator's weights stand still while something learns through it."""
        for weight in self._judging:
            weight.requires_grad_(not frozen)
