"""Two recipes side by side: the same data, seed and time, taking turns on the device, seen in the same charts.

Knows the menu and how the second training comes to be; that they are drawn together is the page's.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.requests import TrainingRequest
from pipelines.training.recipe_names import RECIPES
from studio.locales import both, i18n

if TYPE_CHECKING:
    from studio.services import Studio

NOBODY = ""
#: what the two have in common; everything else is the rival's own default
COMMON = ("dataset", "conditional", "batch", "seconds", "steps", "seed", "pictures", "edge", "crop", "augment", "name")


class Rivals:
    """The menu of recipes to train beside the chosen one."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def lay(self) -> None:
        titles = [(both(info.title, info.title_zh), info.name) for info in RECIPES.values()]
        self.menu = gr.Dropdown(
            [(str(i18n("training.rival.none")), NOBODY), *titles],
            value=NOBODY,
            label=i18n("training.rival"),
            info=i18n("training.rival.help"),
            elem_id="training-rival",
            filterable=False,
        )

    def beside(self, owner: str, values: Mapping[str, Any], recipe: str | None) -> dict[str, Any]:
        """``values`` of a training, once the one of the rival ``recipe`` has been submitted for ``owner``.

        Nothing is submitted where either is refused: both are checked before. Raises ``StudioError``.
        """
        if not recipe:
            return dict(values)
        seed = values.get("seed", -1)
        whole = {**values, "seed": seed if isinstance(seed, int) and seed >= 0 else secrets.randbelow(2**32)}
        TrainingRequest.parse(whole)
        common = {name: whole[name] for name in COMMON if name in whole}
        rival = TrainingRequest.parse({**common, "recipe": recipe}).model_dump(exclude_unset=True)
        return {**whole, "beside": self.studio.submit(owner, "training", rival).id}
