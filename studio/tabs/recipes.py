"""The settings of a training: which the chosen recipe looks at, and what it wants of them.

Knows the recipes as plain data, and the controls. A setting the recipe has no use for is neither shown nor asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.training.datasets import DATASETS, size_of
from pipelines.training.datasets import OWN as OWN_SET
from pipelines.training.own_set import EDGES
from pipelines.training.recipe_names import RECIPES
from studio.locales import STRINGS, both, i18n, language_of
from studio.tabs.parts import QUIET, Controls, Updates
from studio.tabs.proposing import propose

#: number boxes in the order they are laid out, and how far their arrows go
NUMBERS: Mapping[str, float] = {
    "width": 1,
    "batch": 1,
    "latent": 1,
    "learning_rate": 0.0001,
    "d_rate": 0.1,
    "d_steps": 1,
    "gamma": 0.05,
    "penalty_every": 1,
    "label_smoothing": 0.05,
    "instance_noise": 0.05,
    "beta": 0.1,
    "warmup": 0.05,
    "free_bits": 0.05,
    "averaging": 0.001,
    "cooling": 0.05,
}
SWITCHES = ("dynamic_rates", "sample_balance", "gradient_penalty", "spectral_norm")
OWN = ("conditional", "augment", *SWITCHES, *NUMBERS)


def word_of(name: str) -> str:
    """The string that a setting is called by among those of a training."""
    own = f"field.training.{name}"
    return own if own in STRINGS["en"] else f"field.{name}"


class RecipeForm:
    """The menu of recipes and the settings that go with it."""

    def __init__(self, controls: Controls) -> None:
        self.controls = controls

    def lay_menu(self) -> None:
        """The menu, with what the chosen recipe does and what to watch for, and the switch for classes."""
        first = RECIPES[self.controls.default("recipe")]
        titles = [(both(info.title, info.title_zh), info.name) for info in RECIPES.values()]
        self.menu = self.controls.menu("recipe", titles, info=both(first.about, first.about_zh))
        self.controls.checkbox("conditional")

    def lay_numbers(self) -> None:
        """All there are; those of the first recipe are seen."""
        used = RECIPES[self.controls.default("recipe")].settings
        with gr.Row(elem_classes="recipe-settings"):
            for name, step in NUMBERS.items():
                whole = isinstance(self.controls.default(name), int)
                self.controls.number(name, step, 0 if whole else None).visible = name in used
        self.lay_augment()
        self.lay_switches()

    def lay_augment(self) -> None:
        """Whether pictures are augmented: by itself where there are few."""
        self.controls.menu("augment", [(str(i18n(f"name.augment.{wish}")), wish) for wish in ("auto", "on", "off")])

    def lay_switches(self) -> None:
        """What keeps the two sides in balance; those of the first recipe are seen."""
        used = RECIPES[self.controls.default("recipe")].settings
        for name in SWITCHES:
            self.controls.checkbox(name).visible = name in used

    def wire(self) -> None:
        """What another recipe changes. Values only where a person chose it: a recipe taken back brings its own."""
        fields = self.controls.fields
        self.menu.change(self.show, self.menu, [self.menu, *(fields[name] for name in OWN)], **QUIET)
        wanted = [fields[name] for name in NUMBERS]
        asked = [self.menu, fields["dataset"], fields["edge"]]
        for choice in asked:
            propose(choice.select, self.prefer, asked, wanted)  # type: ignore[attr-defined]

    def show(self, recipe: str | None, request: gr.Request) -> Updates:
        """Says what the recipe does, and shows the settings it looks at."""
        info, fields = RECIPES.get(recipe or ""), self.controls.fields
        if info is None:
            return {self.menu: gr.skip()}
        about = info.about_zh if language_of(request) == "zh" else info.about
        seen = {fields[name]: type(fields[name])(visible=name in info.settings) for name in OWN}
        return {self.menu: gr.Dropdown(info=about), **seen}

    def prefer(self, recipe: str | None, dataset: str | None, edge: int | None, *posted: float | None) -> Updates:
        """Sets what the recipe wants for the data wherever a number is what some recipe wants: nobody chose that."""
        now, fields = dict(zip(NUMBERS, posted, strict=True)), self.controls.fields
        untouched = [name for name in NUMBERS if now[name] is None or now[name] in self._wishes(name)]
        size = edge or EDGES[0] if dataset == OWN_SET else size_of(str(dataset))
        return {fields[name]: self._wish(recipe, size, name) for name in untouched} if recipe in RECIPES else {}

    def _wish(self, recipe: str | None, size: int, name: str) -> float:
        """The value of a setting where a person gave none."""
        otherwise = self.controls.request.model_fields[name].default
        wish: float = RECIPES[str(recipe)].defaults_at(size).get(name, otherwise)
        return wish

    def _wishes(self, name: str) -> set[float]:
        """All that recipes want of a setting, whatever they learn from."""
        sizes = {*EDGES, *(info.size for info in DATASETS.values())}
        return {self._wish(recipe, size, name) for recipe in RECIPES for size in sizes}

    def asked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` without the settings the recipe has no use for."""
        info = RECIPES.get(str(values.get("recipe")))
        unused = set() if info is None else set(OWN) - set(info.settings)
        return {name: value for name, value in values.items() if name not in unused}
