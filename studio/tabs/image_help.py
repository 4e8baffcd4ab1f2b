"""Help with a prompt, on the Image tab: the text model makes more of a few words; a picture says how it was made.

Knows the controls and recipes; how a prompt is made longer is ``expanding``'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.errors import StudioError
from studio.library.parameters import Found, read_recipe
from studio.locales import i18n, language_of, t
from studio.owners import owner_of
from studio.tabs.expanding import expanded
from studio.tabs.following import refuse, report
from studio.tabs.parts import QUIET, Updates, fold
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.tabs.tab import Tab

#: settings that are files
_FILES = ("source", "mask", "weights", "loras")


class Helping:
    """A button under the prompt's settings, and a place to drop a picture whose recipe is wanted."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def lay(self) -> None:
        with fold("image", "help"):
            words: dict[str, Any] = {"elem_classes": "quiet icon icon-text", "size": "sm"}
            with gr.Row(elem_classes="helps"):
                self.expand_button = gr.Button(i18n("image.expand"), elem_id="image-expand", **words)
                words = {"elem_classes": "quiet icon icon-reset", "size": "sm", "visible": False}
                self.undo_button = gr.Button(i18n("image.expand.undo"), elem_id="image-expand-undo", **words)
            self.made = gr.State(None)
            words = {"file": "image-recipe", "words": "image.recipe", "examples": [], "first": 0}
            self.told = widget("drop", "image-recipe-drop", None, **words)
            self.file = Upload(
                file_count="single", type="filepath", elem_id="image-recipe", elem_classes="behind", show_label=False
            )

    def wire(self) -> None:
        prompt = self.tab.controls.fields["prompt"]
        changed = [prompt, self.made, self.undo_button]
        self.expand_button.click(self.expand, [prompt, self.made], changed, **QUIET)
        self.undo_button.click(self.undo, self.made, changed, **QUIET)
        self.file.upload(self.take, self.file, [*self.tab.targets, self.told, self.file], **QUIET)

    async def expand(self, prompt: str, made: Any, request: gr.Request) -> AsyncIterator[Updates]:
        """Writes the longer prompt in the place of the short one, which stays where it cannot be done.

        Where the prompt is what was made last, another is made of the same words.
        """
        language, field = language_of(request), self.tab.controls.fields["prompt"]
        own = _own_words(prompt, made)
        try:
            longer = own
            async for longer in expanded(self.tab.studio, owner_of(request), own):
                yield {field: longer}
            yield {self.made: (own, longer), self.undo_button: gr.Button(visible=True)}
        except StudioError as error:
            refuse(error, language)
            yield {field: prompt}
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            report(error, language)
            yield {field: prompt}

    def undo(self, made: Any) -> tuple[Any, None, Any]:
        """The person's own words again."""
        return (made[0] if made else gr.skip()), None, gr.Button(visible=False)

    async def take(self, path: str, request: gr.Request) -> Updates:
        """Fills the controls with what the picture says. One that says nothing leaves them as they are."""
        owner, language = owner_of(request), language_of(request)
        try:
            found = await asyncio.to_thread(_read, path)
            filled = self.tab.fill(owner, self._known(found, owner), language)
        except StudioError as error:
            return {self.told: {"error": refuse(error, language)}, self.file: None}
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return {self.told: {"error": report(error, language)}, self.file: None}
        left = ", ".join(f"{name}: {value}" for name, value in found.other.items() if name != "Version")
        words = t(f"image.recipe.{found.source}", language)
        gr.Info(words if not left else f"{words} {t('image.recipe.left', language, names=left[:200])}")
        return {**filled, self.told: {"at": time.time()}, self.file: None}  # another value: it is drawn empty again

    def _known(self, found: Found, owner: str) -> Mapping[str, Any]:
        """What of it can be filled in here: a model that is not known stays what it is, files must be at hand."""
        if found.kind != "image":
            raise StudioError(
                "recipe.kind",
                "This was made on another tab ({kind}), so its recipe does not fit here. Use it from the library.",
                kind=found.kind,
            )
        settings = dict(found.settings)
        if settings.get("model") and self.tab.studio.catalog.named(str(settings["model"])) is None:
            del settings["model"]
        files = [settings[name] for name in ("source", "mask", "weights") if settings.get(name)]
        files += [lora["file"] for lora in settings.get("loras", ())]
        try:
            self.tab.studio.library.check_owned(owner, files)
        except StudioError:  # made by somebody else, or since deleted: what is left is what it was asked in words
            settings = {name: value for name, value in settings.items() if name not in _FILES}
        if not settings.get("source"):
            settings["method"] = "words"
        return settings


def _read(path: str) -> Found:
    return read_recipe(Path(path).read_bytes())


def _own_words(prompt: str, made: Any) -> str:
    """What a person wrote, of which ``made`` may say that the prompt was made; the prompt itself where it was not."""
    return str(made[0]) if made and prompt == made[1] else prompt
