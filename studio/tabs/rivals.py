"""Two recipes side by side: the same data, seed and time, taking turns on the device, seen in the same charts.

Knows the menu and what the second training is; that they are drawn together is the page's.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.requests import TrainingRequest
from pipelines.training.recipe_names import RECIPES
from studio.locales import both, i18n

NOBODY = ""
#: what the two have in common; everything else is the rival's own default
COMMON = ("dataset", "conditional", "batch", "seconds", "steps", "seed", "pictures", "edge", "crop", "augment", "name")


class Rivals:
    """The menu of recipes to train beside the chosen one."""

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

    def beside(self, values: Mapping[str, Any], recipe: str) -> dict[str, dict[str, Any]]:
        """The trainings of the rival ``recipe`` and of ``values``, which knows of it, by the names that they are to
        have. Raises ``StudioError``."""
        seed = values.get("seed", -1)
        whole = {**values, "seed": seed if isinstance(seed, int) and seed >= 0 else secrets.randbelow(2**32)}
        TrainingRequest.parse(whole)
        common = {name: whole[name] for name in COMMON if name in whole}
        rival = uuid.uuid4().hex
        return {rival: {**common, "recipe": recipe}, uuid.uuid4().hex: {**whole, "beside": rival}}
