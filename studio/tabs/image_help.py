"""Help with a prompt, on the Image tab: the text model makes more of a few words; a picture says how it was made.

Expanding is a job of the text model like any other, followed to its end. Knows the controls, the job service and
recipes; not models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.errors import StudioError
from studio.engine.job import ENDED
from studio.library.parameters import Found, read_recipe
from studio.locales import i18n, language_of, t
from studio.owners import owner_of
from studio.tabs.following import refuse, report
from studio.tabs.parts import QUIET, Updates, fold
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio
    from studio.tabs.tab import Tab

#: settings that are files
_FILES = ("source", "mask", "weights", "loras")
_ASKED = (
    "You write prompts for a model that paints pictures. Answer with one sentence of at most forty words: the same "
    "subject as given, with its surroundings, light, colours and the kind of picture. No explanation, no list."
)


def expanding(prompt: str, seed: int = -1) -> dict[str, Any]:
    """The request to the text model."""
    return {
        "prompt": f"Write the prompt for: {prompt}",
        "system": _ASKED,
        "history": [
            ["user", "Write the prompt for: a fox"],
            ["assistant", "A red fox resting in tall autumn grass at dusk, warm low sunlight, soft focus, film photo"],
        ],
        "max_new_tokens": 90,
        "temperature": 0.7,
        "stop": ["\n"],
        "seed": seed,
    }  # fmt: skip


async def expanded(studio: Studio, owner: str, prompt: str, seed: int = -1, model: str = "") -> AsyncIterator[str]:
    """The longer prompt, as far as it is written. Raises ``StudioError`` for an empty one, and as the job does."""
    if not prompt.strip():
        raise StudioError("prompt.empty", "The prompt is empty. Write what you would like to get.")
    job = studio.submit(owner, "text", {**expanding(prompt.strip(), seed), "model": model})
    text = ""
    async for batch in studio.jobs.follow(owner, job.id):
        new = "".join(event.data["text"] for event in batch if event.kind == "token")
        if new:
            text += new
            yield text.strip().strip('"')
    ended = studio.jobs.get(owner, job.id)
    if ended.state in ENDED and ended.error is not None:
        raise ended.error.as_error()


class Helping:
    """A button under the prompt's settings, and a place to drop a picture whose recipe is wanted."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def lay(self) -> None:
        with fold("image", "help"):
            self.expand_button = gr.Button(
                i18n("image.expand"), elem_id="image-expand", elem_classes="quiet icon icon-text", size="sm"
            )
            words: dict[str, Any] = {"file": "image-recipe", "words": "image.recipe", "examples": [], "first": 0}
            self.told = widget("drop", "image-recipe-drop", None, **words)
            self.file = Upload(
                file_count="single", type="filepath", elem_id="image-recipe", elem_classes="behind", show_label=False
            )

    def wire(self) -> None:
        prompt = self.tab.controls.fields["prompt"]
        self.expand_button.click(self.expand, prompt, prompt, **QUIET)
        self.file.upload(self.take, self.file, [*self.tab.targets, self.told, self.file], **QUIET)

    async def expand(self, prompt: str, request: gr.Request) -> AsyncIterator[Any]:
        """Writes the longer prompt in the place of the short one, which stays where it cannot be done."""
        language = language_of(request)
        try:
            async for text in expanded(self.tab.studio, owner_of(request), prompt):
                yield text
        except StudioError as error:
            refuse(error, language)
            yield prompt
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            report(error, language)
            yield prompt

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
