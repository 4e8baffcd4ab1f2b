"""The part of the Training tab for a person's own pictures: a zip comes in, and what the model will see of it is shown.

Knows the controls of a ``StickerTrainingRequest`` and the preview; the tab around it submits, shows and stops.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from pipelines.errors import StudioError
from pipelines.sticker.own_pictures import Own, look
from pipelines.sticker.own_request import RATES, StickerTrainingRequest
from studio.locales import Language, both, i18n, sentence
from studio.tabs.parts import QUIET, Controls, Updates, more
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

#: the name of this choice among the data sets
OWN = "own"
KIND = "sticker_training"
#: the class of the models that can be trained so
PIPELINE = "StickerPipeline"
SHOWN = 32
CARD: Mapping[str, Any] = {
    "id": OWN,
    "title": {"en": "Stickers from my own pictures", "zh": "用我自己的图片训练贴纸"},
    "about": {
        "en": "The sticker model learns from a zip of your captioned pictures.",
        "zh": "贴纸模型向你的图片学习：上传一个带说明的图片 zip。",
    },
    "glyph": "photo",
}


class OwnPictures:
    """Upload, settings and preview."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.controls = Controls(OWN, StickerTrainingRequest)

    def ask(self) -> None:
        """Where the zip is dropped: its digest and name, what is shown of it, and the file input behind it."""
        self.pictures = gr.State(None)
        words: dict[str, Any] = {
            "file": "own-file",
            "words": "own.drop",
            "formats": "own.drop.more",
            "limit": self.studio.settings.upload_mb,
        }
        self.shown = widget("drop", "own-drop", None, examples=[], first=0, **words)
        self.file = Upload(
            file_count="single", type="filepath", elem_id="own-file", elem_classes="behind", show_label=False
        )

    def settings(self) -> None:
        controls = self.controls
        with gr.Group(elem_classes="common"):
            starts = [(str(i18n(f"name.start.{name}")), name) for name in ("stickers", "nothing")]
            controls.menu("start", starts)
            with gr.Row(elem_classes="pair"):
                controls.number("seconds")
                controls.number("steps")
        with more(OWN):
            models = [entry for entry in self.studio.catalog.entries("image") if entry.pipeline == PIPELINE]
            titles = [(both(entry.title, entry.title_zh), entry.name) for entry in models]
            controls.menu("model", titles, value=models[0].name if models else "", visible=len(models) > 1)
            with gr.Row(elem_classes="pair"):
                controls.number("batch")
                controls.number("learning_rate", 0.0001, precision=None)
            controls.seed()
        rate = controls.fields["learning_rate"]
        controls.fields["start"].select(self.prefer, controls.fields["start"], rate, **QUIET)  # type: ignore[attr-defined]

    def prefer(self, start: str | None) -> Any:
        """The learning rate that suits a start."""
        return RATES.get(start or "", gr.skip())

    @property
    def components(self) -> list[Component]:
        """Everything a recipe or an upload sets."""
        return [*self.controls.fields.values(), self.pictures, self.shown]

    @property
    def inputs(self) -> list[Component]:
        """What Start posts."""
        return [*self.controls.fields.values(), self.pictures]

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """The request as posted. Raises ``StudioError`` where there are no pictures yet."""
        *controls, pictures = posted
        if not isinstance(pictures, dict):
            raise StudioError(
                "own.none", "There are no pictures yet. Drop a zip of your pictures into the field above, then start."
            )
        return {**self.controls.values(tuple(controls)), "pictures": pictures["digest"], "name": pictures["name"]}

    def fill(self, owner: str, settings: Mapping[str, Any]) -> Updates:
        """What puts a recipe's settings, its pictures included, into the controls."""
        updates = self.controls.fill(settings)
        if digest := settings.get("pictures"):
            self.studio.library.check_owned(owner, [digest])
            updates |= self.given(digest, str(settings.get("name", "")))
        return updates

    def given(self, digest: str, name: str) -> Updates:
        """Pictures that lie in the library already."""
        given = {"digest": digest, "name": name}
        return {self.pictures: given, self.shown: given}

    def take(self, owner: str, path: str, language: Language) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Keeps an uploaded zip: what Start posts, what the field shows, and the preview. Raises ``StudioError``.

        Decodes, so call it in a thread.
        """
        data, name = Path(path).read_bytes(), Path(path).stem[:80]
        found = look(data, SHOWN)
        digest = self.studio.library.keep_upload(owner, data, "application/zip")
        given = {"digest": digest, "name": name}
        preview = {
            **given,
            "count": found.count,
            "pictures": [_tile(own) for own in found.shown],
            "warnings": [sentence(one, language) for one in found.warnings],
        }
        return given, {**given, "count": found.count}, preview


def _tile(own: Own) -> dict[str, Any]:
    """A picture as the model sees it, and what is said of it; the English only where it is another."""
    values = own.picture.astype(np.float32)
    alpha = values[..., 3:]
    plain = np.concatenate([values[..., :3] * 255 / alpha.clip(min=1), alpha], -1).clip(0, 255).round()
    out = io.BytesIO()
    Image.fromarray(plain.astype(np.uint8)).save(out, "PNG", compress_level=4)
    url = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    said = own.english if own.english.casefold() != own.caption.casefold() else ""
    return {"url": url, "caption": own.caption, "english": said}
