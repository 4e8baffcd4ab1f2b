"""Several runs of one training at once: how many seeds, and one setting with a list of values.

Knows the controls, how what was posted becomes requests, and what that would come to, which is said before anything
begins; that the runs are drawn together is the page's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.errors import StudioError
from pipelines.training.recipe_names import RECIPES
from studio.engine.siblings import runs_of
from studio.locales import i18n, language_of, sentence, t
from studio.owners import owner_of
from studio.tabs.parts import QUIET, Updates, fold
from studio.tabs.recipes import NUMBERS, word_of
from studio.widgets import widget

if TYPE_CHECKING:
    from gradio.components import Component

    from studio.services import Studio

NOTHING = ""


class Sweeping:
    """Three controls, which do nothing as they stand, and a line that says what they would begin."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def lay(self, recipe: str) -> None:
        """``recipe``: the one that is chosen at first."""
        with fold("training", "several"):
            with gr.Row(elem_classes="pair"):
                self.seeds = gr.Number(
                    1,
                    step=1,
                    precision=0,
                    label=i18n("sweep.seeds"),
                    info=i18n("sweep.seeds.help"),
                    elem_id="sweep-seeds",
                )
                self.setting = gr.Dropdown(
                    [
                        (str(i18n("sweep.nothing")), NOTHING),
                        *((str(i18n(word_of(name))), name) for name in _of(recipe)),
                    ],
                    value=NOTHING,
                    label=i18n("sweep.setting"),
                    info=i18n("sweep.setting.help"),
                    elem_id="sweep-setting",
                    filterable=False,
                )
            self.values = gr.Textbox(
                "",
                label=i18n("sweep.values"),
                info=i18n("sweep.values.help"),
                placeholder="0.0005, 0.001, 0.002",
                max_lines=1,
                elem_id="sweep-values",
                visible=False,
            )
            self.said = widget("sweep_plan", "sweep-plan", None)

    def wire(self, make: gr.Button, fields: Mapping[str, Component]) -> None:
        """``make`` says how many it begins; ``fields`` are those of the training that is to be begun several times."""
        self.make = make
        recipe = fields["recipe"]
        self.setting.change(self.ask, self.setting, self.values, **QUIET)
        recipe.change(self.offer, [recipe, self.setting], self.setting, **QUIET)  # type: ignore[attr-defined]
        asked = [*self.inputs, recipe, fields["seconds"], fields["steps"]]
        for one in asked:
            one.change(self.plan, asked, [self.said, make], trigger_mode="always_last", **QUIET)  # type: ignore[attr-defined]

    def ask(self, setting: str) -> Any:
        """Values are asked for once there is something they are of."""
        return gr.Textbox(visible=bool(setting))

    def offer(self, recipe: str | None, setting: str | None, request: gr.Request) -> Any:
        """The settings that the recipe has; what was chosen stays where it has that."""
        language, names = language_of(request), _of(recipe)
        choices = [(t("sweep.nothing", language), NOTHING), *((t(word_of(name), language), name) for name in names)]
        return gr.Dropdown(choices, value=setting if setting in names else NOTHING)

    def plan(self, request: gr.Request, *posted: Any) -> Updates:
        """What would begin, on how many devices and for how long; or why it would be refused."""
        *several, recipe, seconds, steps = posted
        language, owner = language_of(request), owner_of(request)
        make: Updates = {self.make: t("training.make", language)}
        if not self.asked(tuple(several)):
            return {self.said: None, **make}
        try:
            count = len(self.runs({"recipe": recipe}, tuple(several)))
            self.studio.jobs.check_several(owner, count)
        except StudioError as error:
            return {self.said: {"why": sentence(error, language), "asks": error.key == "sweep.values"}, **make}
        if count > 1:
            make = {self.make: t("sweep.make", language, count=count)}
        return {self.said: self._reckoned(owner, count, seconds or 0, steps or 0), **make}

    def _reckoned(self, owner: str, count: int, seconds: float, steps: float) -> dict[str, Any]:
        """Trainings are spread over the devices; those on one take turns, and each is given its own seconds there."""
        now = self.studio.jobs.status().devices
        devices = max(1, sum(one.worker == "ready" and not one.draining for one in now))
        limit = self.studio.caps.of(owner).running or count
        lanes = min(devices, limit, count)
        each = math.ceil(count / lanes)
        return {
            "count": count,
            "devices": devices,
            "limit": limit if limit < min(devices, count) else 0,
            "each": each,
            "steps": steps,
            "seconds": each * seconds,
            "device_seconds": count * seconds,
        }

    @property
    def inputs(self) -> list[Component]:
        return [self.seeds, self.setting, self.values]

    def asked(self, posted: tuple[Any, ...]) -> bool:
        """Whether more than one run is wanted."""
        seeds, setting, _ = posted
        return bool(setting) or seeds not in (1, None)

    def runs(self, values: Mapping[str, Any], posted: tuple[Any, ...]) -> list[dict[str, Any]]:
        """The requests of the sweep of a training with ``values``. Raises ``StudioError``."""
        seeds, setting, tried = posted
        if not isinstance(seeds, (int, float)) or int(seeds) != seeds:
            raise StudioError("sweep.seeds", "Seeds is a whole number; you gave {value}.", value=str(seeds)[:40])
        return runs_of(values, int(seeds), str(setting or ""), _listed(tried))


def _of(recipe: str | None) -> list[str]:
    """The settings of a recipe that can be tried with several values, in the order in which they are laid out."""
    info = RECIPES.get(str(recipe))
    return [name for name in NUMBERS if info is None or name in info.settings]


def _listed(text: object) -> list[str]:
    """What is between commas, semicolons or spaces."""
    return [one for one in re.split(r"[\s,;，；、]+", str(text or "")) if one]
