"""The recipes there are: the code behind the names in ``recipe_names``.

A new adversarial recipe is a row of ``GANS`` and one in ``recipe_names``. A new family is a subclass of ``Recipe`` and
a line in ``build_recipe``.
"""

from __future__ import annotations

from dataclasses import replace

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training import losses, penalties
from pipelines.training.convolutional import SpectralDiscriminator, StridedDiscriminator
from pipelines.training.data import DataSet
from pipelines.training.dcgan import DcganDiscriminator
from pipelines.training.dense import DenseDiscriminator
from pipelines.training.gan import Gan, Ingredients
from pipelines.training.plane_networks import PointDiscriminator, SpectralPointDiscriminator
from pipelines.training.recipe import Recipe
from pipelines.training.recipe_names import recipe_info
from pipelines.training.vae import Vae

#: Adam's betas: the usual ones of GANs (Radford et al. 2015), and those without momentum (Karras et al. 2018)
USUAL, CALM = (0.5, 0.999), (0.0, 0.99)

GANS = {
    "r1": Ingredients("upsampling", StridedDiscriminator, losses.NON_SATURATING, CALM, penalties.R1),
    "r3gan": Ingredients("upsampling", StridedDiscriminator, losses.RELATIVISTIC, CALM, penalties.R1_AND_R2),
    "hinge": Ingredients("upsampling", SpectralDiscriminator, losses.HINGE, CALM),
    "wgan-gp": Ingredients("upsampling", StridedDiscriminator, losses.WASSERSTEIN, (0.0, 0.9), penalties.WGAN),
    "lsgan": Ingredients("upsampling", StridedDiscriminator, losses.LEAST_SQUARES, CALM),
    "dcgan": Ingredients(
        "dcgan",
        DcganDiscriminator,
        losses.NON_SATURATING,
        USUAL,
        together=False,  # its batch norm would let real and fake pictures see each other
    ),
    "dense-conv": Ingredients("upsampling", StridedDiscriminator, losses.NON_SATURATING, USUAL),
    "classic": Ingredients("dense", DenseDiscriminator, losses.NON_SATURATING, USUAL),
}


def build_recipe(request: TrainingRequest, data: DataSet, device: Device) -> Recipe:
    """The recipe ``request`` names, at its beginning. Raises ``StudioError`` where there is none of that name."""
    name = recipe_info(request.recipe).name
    if name == "vae":
        return Vae(request, data, device)
    ingredients = GANS[name]
    if request.spectral_norm and ingredients.discriminator is StridedDiscriminator:
        ingredients = replace(ingredients, discriminator=SpectralDiscriminator)
    return Gan(request, data, device, on_the_plane(ingredients) if data.plane else ingredients)


def on_the_plane(ingredients: Ingredients) -> Ingredients:
    """The same game between networks for points: dense ones, whose layers are as spectral as the recipe's."""
    spectral = ingredients.discriminator is SpectralDiscriminator
    discriminator = SpectralPointDiscriminator if spectral else PointDiscriminator
    return replace(ingredients, generator="points", discriminator=discriminator, together=True)
