"""Several runs of one training at once: how many seeds, and one setting with a list of values.

Knows the controls and how what was posted becomes requests; that the runs are drawn together is the page's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.errors import StudioError
from studio.engine.siblings import MOST, runs_of
from studio.locales import i18n
from studio.sweeps import begin
from studio.tabs.parts import QUIET
from studio.tabs.recipes import NUMBERS

if TYPE_CHECKING:
    from gradio.components import Component

    from studio.services import Studio

NOTHING = ""


class Sweeping:
    """Three controls, which do nothing as they stand."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def lay(self) -> None:
        with gr.Row(elem_classes="pair"):
            self.seeds = gr.Number(
                1,
                step=1,
                precision=0,
                minimum=1,
                maximum=MOST,
                label=i18n("sweep.seeds"),
                info=i18n("sweep.seeds.help"),
                elem_id="sweep-seeds",
            )
            choices = [(str(i18n("sweep.nothing")), NOTHING), *((str(i18n(f"field.{name}")), name) for name in NUMBERS)]
            self.setting = gr.Dropdown(
                choices,
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

    def wire(self) -> None:
        """Values are asked for once there is something they are of."""
        self.setting.change(self.ask, self.setting, self.values, **QUIET)

    def ask(self, setting: str) -> Any:
        return gr.Textbox(visible=bool(setting))

    @property
    def inputs(self) -> list[Component]:
        return [self.seeds, self.setting, self.values]

    def asked(self, posted: tuple[Any, ...]) -> bool:
        """Whether more than one run is wanted."""
        seeds, setting, _ = posted
        return bool(setting) or seeds not in (1, None)

    def together(self, owner: str, values: Mapping[str, Any], posted: tuple[Any, ...]) -> dict[str, Any]:
        """The last run of the sweep, once the others have been submitted for ``owner``. Raises ``StudioError``."""
        seeds, setting, tried = posted
        if not isinstance(seeds, (int, float)) or int(seeds) != seeds:
            raise StudioError("sweep.seeds", "Seeds is a whole number; you gave {value}.", value=str(seeds)[:40])
        runs = runs_of(values, int(seeds), str(setting or ""), _listed(tried))
        begin(self.studio, owner, runs[:-1])
        return runs[-1]


def _listed(text: object) -> list[str]:
    """What is between commas, semicolons or spaces."""
    return str(text or "").replace(",", " ").replace(";", " ").replace("，", " ").split()
