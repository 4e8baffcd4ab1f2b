"""What a training on points in the plane is watched by: the whole distribution, and where the discriminator believes.

Knows how a recipe makes points and scores them; not its losses, and not how it is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipelines.training.plane_drawing import FIELD, field_places
from pipelines.training.showing import PlaneShowing

if TYPE_CHECKING:
    from pipelines.training.recipe import Recipe

SHOWN = 1024


@torch.no_grad()
def plane_showing(recipe: Recipe) -> PlaneShowing:
    """As many points of the data as from the generator, the same ones and from the same noise each time."""
    real, device = recipe.data.images[:SHOWN], recipe.data.images.device
    labels = recipe.labels(torch.arange(len(real), device=device))
    noise = recipe.randomness.noise("show", 0, len(real), recipe.shape.latent)
    fake: Tensor = recipe.generator[1](noise, labels)
    return PlaneShowing(fake, real=real, field=_field(recipe, real, fake, labels))


def _field(recipe: Recipe, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor | None:
    """Scores (FIELD, FIELD) less the middle between real and fake; with classes, that of the likeliest class."""
    on_real = recipe.scores(real, labels)
    if on_real is None:
        return None
    places = torch.from_numpy(field_places()).to(real.device)[:, :, None, None]
    kinds = range(recipe.shape.classes) if recipe.shape.classes else (None,)
    found = [recipe.scores(places, _all(kind, len(places), real.device)) for kind in kinds]
    field = torch.stack([scores for scores in found if scores is not None]).amax(0)
    middle = recipe.middle
    if middle is None:
        on_fake = recipe.scores(fake, labels)
        middle = 0.0 if on_fake is None else float((on_real.mean() + on_fake.mean()) / 2)
    return (field - middle).view(FIELD, FIELD)


def _all(kind: int | None, count: int, device: torch.device) -> Tensor | None:
    return None if kind is None else torch.full((count,), kind, device=device)
