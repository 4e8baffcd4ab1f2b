"""What may change while a training runs: the one place each step reads it from.

Learning rates, weights, switches. A recipe's ``dials`` begin as the request says; whoever changes one is heard at the
next step. ``Loop`` sees to it that a resume knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from pipelines.requests import TrainingRequest
from pipelines.training.ema import LONGEST
from pipelines.training.recipe_names import recipe_info

#: of the learning rate, at the end of a run that cools
COLD = 0.1


@dataclass
class Dials:
    """The values without effect, where a recipe has no use for a setting; named like the request's fields."""

    learning_rate: float = 0.0
    d_rate: float = 1.0
    d_steps: int = 1
    gamma: float = 0.0
    penalty_every: int = 1
    label_smoothing: float = 0.0
    instance_noise: float = 0.0
    beta: float = 1.0
    warmup: float = 0.0
    free_bits: float = 0.0
    averaging: float = LONGEST
    cooling: float = 0.0
    augment: str = "off"
    dynamic_rates: bool = False
    sample_balance: bool = False
    gradient_penalty: bool = False
    #: what a training that went back slows itself down by
    slowed: float = 1.0
    #: of the budget used so far, 0 to 1: what warm-ups go by
    share: float = 0.0

    @classmethod
    def of(cls, request: TrainingRequest) -> Dials:
        """As ``request`` has them; those its recipe does not look at stay without effect."""
        dials = cls()
        dials.follow(request)
        return dials

    def follow(self, request: TrainingRequest) -> None:
        """Turns every dial the recipe looks at to where ``request`` has it."""
        used = set(recipe_info(request.recipe).settings)
        for name in used.intersection(field.name for field in fields(self)):
            setattr(self, name, getattr(request, name))

    def rate(self, name: str) -> float:
        """The learning rate of the optimizer called ``name``; the discriminator's has a ratio of its own."""
        return self.learning_rate * self.slowed * self.cooled * (self.d_rate if name == "d" else 1.0)

    @property
    def cooled(self) -> float:
        """What is left of the learning rates: all of them, and in the ``cooling`` at the end evenly down to a tenth."""
        begun = self.share - (1 - self.cooling)
        return 1 - (1 - COLD) * begun / self.cooling if begun > 0 else 1.0

    @property
    def noise_now(self) -> float:
        """Standard deviation of the instance noise: fades to nothing over the run."""
        return self.instance_noise * (1 - self.share)
