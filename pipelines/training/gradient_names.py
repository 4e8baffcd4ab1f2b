"""The series that every training has, whatever its recipe: how large the gradients were that each network learned from.

Plain data, no torch, for the page; they are measured in ``meter``.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.training.recipe_names import Series

#: by the name a recipe gives the network and its optimizer
GRADIENTS = {
    "g": Series("generator_gradient", "Generator gradient", "生成器梯度", "gradient"),
    "d": Series("discriminator_gradient", "Discriminator gradient", "判别器梯度", "gradient"),
    "vae": Series("vae_gradient", "Gradient", "梯度", "gradient"),
}


def gradient_series(networks: Iterable[str]) -> tuple[Series, ...]:
    """One for each of ``networks``; one that has no name here is called by its own."""
    return tuple(
        GRADIENTS.get(name, Series(f"{name}_gradient", f"Gradient ({name})", f"梯度（{name}）", "gradient"))
        for name in networks
    )


def named_gradient(series: str) -> Series | None:
    """The gradient series called ``series``; None where it is none."""
    known = next((one for one in GRADIENTS.values() if one.name == series), None)
    if known is not None or not series.endswith("_gradient"):
        return known
    return gradient_series([series.removesuffix("_gradient")])[0]
