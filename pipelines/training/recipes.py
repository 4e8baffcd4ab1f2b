"""The recipes there are: the code behind the names in ``recipe_names``.

A new adversarial recipe is a row of ``GANS`` and one in ``recipe_names``. A new family (a VAE, say) is a subclass of
``Recipe`` and a line in ``build_recipe``.
"""

from __future__ import annotations

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.data import DataSet
from pipelines.training.gan import Gan, Ingredients
from pipelines.training.losses import NON_SATURATING
from pipelines.training.networks import DcganDiscriminator, StridedDiscriminator
from pipelines.training.recipe import Recipe
from pipelines.training.recipe_names import recipe_info

GANS = {
    "r1": Ingredients(
        generator="upsampling",
        discriminator=StridedDiscriminator,
        loss=NON_SATURATING,
        betas=(0.0, 0.99),
        penalised=True,
        together=True,
    ),
    "dcgan": Ingredients(
        generator="dcgan",
        discriminator=DcganDiscriminator,
        loss=NON_SATURATING,
        betas=(0.5, 0.999),
        penalised=False,
        together=False,  # its batch norm would let real and fake pictures see each other
    ),
}


def build_recipe(request: TrainingRequest, data: DataSet, device: Device) -> Recipe:
    """The recipe ``request`` names, at its beginning. Raises ``StudioError`` where there is none of that name."""
    return Gan(request, data, device, GANS[recipe_info(request.recipe).name])
