"""LoRA on the Image tab: files a person gave, or that lie in the studio's folder for them, and how much each counts.

A file of the folder ``loras`` in the data folder becomes an upload of whoever chooses it, so that a recipe names it by
its digest like any other. Knows files and two controls; not models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from pipelines.image.lora_file import check_file
from studio.locales import i18n, language_of
from studio.owners import owner_of
from studio.tabs.following import refuse, report
from studio.tabs.parts import QUIET, Updates, fold
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

FOLDER = "loras"
_HERE = "here:"


class Laid:
    """A menu of files, a line of weights, and a button that takes a file in."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.folder = studio.settings.data.resolve() / FOLDER

    def lay(self) -> None:
        with fold("image", "lora"):
            words: dict[str, Any] = {"label": i18n("field.loras"), "info": i18n("help.image.loras")}
            self.files = gr.Dropdown(
                self.here(), value=[], multiselect=True, max_choices=4, elem_id="image-loras", **words
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

    def wire(self, stage: gr.HTML) -> None:
        taken = [self.files, self.weights, self.shown, self.file]
        self.file.upload(self.take, [self.file, self.files, self.weights], taken, **QUIET)
        stage.mounted(self.look, self.files, self.files, **QUIET)

    def here(self) -> list[tuple[str, str]]:
        """What lies in the folder, by name."""
        return [(path.stem, f"{_HERE}{path.name}") for path in sorted(self.folder.glob("*.safetensors"))]

    def look(self, chosen: list[str]) -> Any:
        """The menu with what has been put into the folder since the page was built."""
        return gr.Dropdown(choices=[*self.here(), *((_short(one), one) for one in chosen if not _is_here(one))])

    async def take(
        self, path: str, chosen: list[str], weights: str, request: gr.Request
    ) -> tuple[Any, Any, dict[str, Any] | None, None]:
        """Takes a file in and chooses it. One that is no LoRA leaves what was chosen."""
        owner, language = owner_of(request), language_of(request)
        try:
            digest = await asyncio.to_thread(self._keep, owner, Path(path))
        except StudioError as error:
            return gr.skip(), gr.skip(), {"error": refuse(error, language)}, None
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return gr.skip(), gr.skip(), {"error": report(error, language)}, None
        both = [*(one for one in chosen if one != digest), digest]
        names = {digest: Path(path).stem}
        choices = [*self.here(), *((names.get(one, _short(one)), one) for one in both if not _is_here(one))]
        more = f"{weights.strip().rstrip(',')}, 1" if len(both) > 1 else weights
        return gr.Dropdown(choices=choices, value=both), more, {"at": time.time()}, None  # drawn empty again

    def _keep(self, owner: str, path: Path) -> str:
        check_file(path)
        return self.studio.keep_upload(owner, path.read_bytes())

    def values(self, owner: str, chosen: list[str] | None, weights: str | None) -> dict[str, Any]:
        """The part of the request. Raises ``StudioError`` for weights that are no numbers."""
        if not chosen:
            return {}
        wanted = [part.strip() for part in (weights or "1").replace("，", ",").split(",") if part.strip()]
        counts = [_weight(part) for part in wanted] + [1.0] * len(chosen)
        return {
            "loras": [{"file": self._digest(owner, one), "weight": w} for one, w in zip(chosen, counts, strict=False)]
        }

    def _digest(self, owner: str, one: str) -> str:
        """A file of the folder by its name becomes one of the person's; nothing but a name in that folder is read."""
        if not _is_here(one):
            return one
        path = next((path for path in self.folder.glob("*.safetensors") if path.name == one.removeprefix(_HERE)), None)
        if path is None:
            raise StudioError(
                "image.lora_gone", "There is no file {name} in the studio's folder for LoRA any more.", name=one[:80]
            )
        return self._keep(owner, path)

    def fill(self, settings: Mapping[str, Any]) -> Updates:
        """The files and weights of a recipe."""
        laid = [one for one in settings.get("loras") or () if isinstance(one, Mapping)]
        files = [str(one.get("file")) for one in laid]
        choices = [*self.here(), *((_short(one), one) for one in files)]
        return {
            self.files: gr.Dropdown(choices=choices, value=files),
            self.weights: ", ".join(f"{one.get('weight', 1):g}" for one in laid) or "1",
        }


def _is_here(one: str) -> bool:
    return one.startswith(_HERE)


def _short(digest: str) -> str:
    return f"{digest[:12]}…"


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise StudioError(
            "image.lora_weight",
            "The weights of the LoRA are numbers from -2 to 2 with commas between, one for each; “{value}” is none.",
            value=text[:40],
        ) from None
