"""LoRA on the Image tab: a menu of what fits the model, a line of weights, and a place for a file of one's own.

Which files there are besides is ``loras``'s to know. Knows the page; not models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from studio.locales import i18n, language_of
from studio.loras import is_here, keep_lora, offered, resolved, weights_of
from studio.owners import owner_of
from studio.tabs.following import refuse, report
from studio.tabs.parts import QUIET, Updates, fold
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio


class Laid:
    """A menu of files, a line of weights, and a button that takes a file in."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def lay(self, model: str) -> None:
        with fold("image", "lora"):
            words: dict[str, Any] = {"label": i18n("field.loras"), "info": i18n("help.image.loras")}
            self.files = gr.Dropdown(
                offered(self.studio, model), value=[], multiselect=True, max_choices=4, elem_id="image-loras", **words
            )
            words = {"label": i18n("field.lora_weights"), "info": i18n("help.image.lora_weights")}
            self.weights = gr.Textbox("1", max_lines=1, elem_id="image-lora-weights", **words)
            told: dict[str, Any] = {"file": "image-lora", "words": "image.lora.add", "formats": "image.lora.formats"}
            self.shown = widget("drop", "image-lora-drop", None, examples=[], first=0, **told)
            self.file = Upload(
                file_count="single", type="filepath", elem_id="image-lora", elem_classes="behind", show_label=False
            )

    @property
    def components(self) -> list[Component]:
        return [self.files, self.weights]

    def wire(self, stage: gr.HTML, menu: gr.Dropdown) -> None:
        taken = [self.files, self.weights, self.shown, self.file]
        self.file.upload(self.take, [self.file, self.files, self.weights, menu], taken, **QUIET)
        for told in (stage.mounted, menu.change):
            told(self.look, [self.files, menu], self.files, **QUIET)

    def _menu(self, model: str | None, chosen: Sequence[str], names: Mapping[str, str] | None = None) -> Any:
        """The menu for ``model``, with files of a person's among it where they are chosen."""
        own = [((names or {}).get(one, _short(one)), one) for one in chosen if not is_here(one)]
        there = offered(self.studio, model or "")
        fitting = {value for _, value in there} | {one for _, one in own}
        return gr.Dropdown(choices=[*there, *own], value=[one for one in chosen if one in fitting])

    def look(self, chosen: list[str], model: str | None) -> Any:
        """The menu with what fits the model, and what has been put into the folder since the page was built."""
        return self._menu(model, chosen)

    async def take(
        self, path: str, chosen: list[str], weights: str, model: str | None, request: gr.Request
    ) -> tuple[Any, Any, dict[str, Any] | None, None]:
        """Takes a file in and chooses it. One that is no LoRA leaves what was chosen."""
        owner, language = owner_of(request), language_of(request)
        try:
            digest = await asyncio.to_thread(keep_lora, self.studio, owner, Path(path))
        except StudioError as error:
            return gr.skip(), gr.skip(), {"error": refuse(error, language)}, None
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return gr.skip(), gr.skip(), {"error": report(error, language)}, None
        both = [*(one for one in chosen if one != digest), digest]
        more = f"{weights.strip().rstrip(',')}, 1" if len(both) > 1 else weights
        menu = self._menu(model, both, {digest: Path(path).stem})
        return menu, more, {"at": time.time()}, None  # drawn empty again

    def values(self, owner: str, model: str, chosen: list[str] | None, weights: str | None) -> dict[str, Any]:
        """The part of the request. Raises ``StudioError`` for weights that are no numbers, or a file that is gone."""
        if not chosen:
            return {}
        files = [resolved(self.studio, owner, one, model) for one in chosen]
        counts = weights_of(weights or "", len(files))
        return {"loras": [{"file": one, "weight": count} for one, count in zip(files, counts, strict=True)]}

    def fill(self, settings: Mapping[str, Any]) -> Updates:
        """The files and weights of a recipe."""
        laid = [one for one in settings.get("loras") or () if isinstance(one, Mapping)]
        files = [str(one.get("file")) for one in laid]
        return {
            self.files: self._menu(settings.get("model"), files),
            self.weights: ", ".join(f"{one.get('weight', 1):g}" for one in laid) or "1",
        }


def _short(digest: str) -> str:
    return f"{digest[:12]}…"
