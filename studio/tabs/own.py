"""The part of the Training tab for a person's own pictures: a zip comes in, and what the model will see of it is shown.

The page packs files and folders into a zip, so that whatever was given is one file that is kept under its digest.
What learns from them is the sticker model, which wants captions, or a GAN or VAE from nothing. Knows the controls of a
``StickerTrainingRequest`` and the preview; the tab around it has those of the others, submits, shows and stops.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from pipelines.errors import StudioError
from pipelines.sticker.own_pictures import Own, look
from pipelines.sticker.own_request import RATES, StickerTrainingRequest
from pipelines.training.own_set import EDGES, Crop
from pipelines.training.own_set import look as look_at_set
from studio.locales import Language, both, i18n, sentence
from studio.tabs.parts import QUIET, Controls, Updates, ending, more
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

#: the name of this choice among the data sets
OWN = "own"
KIND = "sticker_training"
#: the class of the models that can be trained so
PIPELINE = "StickerPipeline"
SHOWN, SHOWN_PLAIN = 32, 64
#: what learns, and for a GAN or VAE the edge and the crop
Way: TypeAlias = tuple[str, int, Crop]
#: what Start posts, what the field shows, the preview, and what learns
Taken: TypeAlias = tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]
#: a zip that is refused so may still do for a GAN or VAE
WITHOUT_CAPTIONS = ("own.few", "own.few_left")
CARD: Mapping[str, Any] = {
    "id": OWN,
    "title": {"en": "My own pictures", "zh": "我自己的图片"},
    "about": {
        "en": "Your pictures: for the sticker model, or for a GAN or VAE from nothing.",
        "zh": "上传你的图片：教给贴纸模型，或从零训练 GAN 或 VAE。",
    },
    "glyph": "photo",
}


#: what may learn: the sticker model, or a GAN or VAE, for which the pictures are a data set
STICKERS, SET = "stickers", "set"


class OwnPictures:
    """Upload, settings and preview."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.controls = Controls(OWN, StickerTrainingRequest)

    def ask(self) -> None:
        """Where the zip is dropped: its digest and name, what is shown of it, and the file input behind it."""
        choices = [(str(i18n(f"own.learner.{name}")), name) for name in (STICKERS, SET)]
        self.learner = gr.Radio(
            choices,
            value=STICKERS,
            label=i18n("own.learner"),
            show_label=False,
            container=False,
            elem_id="own-learner",
            elem_classes="segmented",
        )
        self.pictures = gr.State(None)
        words: dict[str, Any] = {
            "file": "own-file",
            "words": "own.drop",
            "formats": "own.drop.more",
            "limit": self.studio.settings.upload_mb,
            "packs": True,
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
            self.ending = ending(OWN)
        rate = controls.fields["learning_rate"]
        controls.fields["start"].select(self.prefer, controls.fields["start"], rate, **QUIET)  # type: ignore[attr-defined]

    def lay_squares(self, controls: Controls) -> None:
        """How a GAN or VAE gets them, as fields of its own request."""
        with gr.Row(elem_id="own-squares", elem_classes="pair"):
            controls.menu("edge", [(f"{edge} px", edge) for edge in EDGES])
            controls.menu("crop", [(str(i18n(f"own.crop.{crop}")), crop) for crop in ("centre", "fit")])

    def prefer(self, start: str | None) -> Any:
        """The learning rate that suits a start."""
        return RATES.get(start or "", gr.skip())

    @property
    def components(self) -> list[Component]:
        """Everything a recipe or an upload sets."""
        return [*self.controls.fields.values(), self.pictures, self.shown, self.learner]

    @property
    def inputs(self) -> list[Component]:
        """What Start posts."""
        return [*self.controls.fields.values(), self.pictures, self.learner]

    def named(self, asked: Mapping[str, Any], posted: tuple[Any, ...]) -> dict[str, Any]:
        """What is ``asked`` of a GAN or VAE, with these pictures where they are its data. Raises ``StudioError``."""
        if asked.get("dataset") != OWN:
            return {name: value for name, value in asked.items() if name not in ("edge", "crop")}
        *_, pictures, _ = posted
        without_classes = {name: value for name, value in asked.items() if name != "conditional"}
        return {**without_classes, **_given(pictures)}

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """The request as posted. Raises ``StudioError`` where there are no pictures yet."""
        *controls, pictures, _ = posted
        return {**self.controls.values(tuple(controls)), **_given(pictures)}

    def fill(self, owner: str, settings: Mapping[str, Any]) -> Updates:
        """What puts a recipe's settings, its pictures included, into the controls."""
        updates = {} if "recipe" in settings else self.controls.fill(settings)
        if digest := settings.get("pictures"):
            self.studio.library.check_owned(owner, [digest])
            updates |= self.given(settings)
        return updates

    def given(self, settings: Mapping[str, Any]) -> Updates:
        """Pictures of a request, which lie in the library already, and what learns from them."""
        given = {"digest": settings["pictures"], "name": str(settings.get("name", ""))}
        return {self.pictures: given, self.shown: given, self.learner: SET if "recipe" in settings else STICKERS}

    def take(self, owner: str, path: str, language: Language, way: Way) -> Taken:
        """Keeps an uploaded zip and shows it. Raises ``StudioError``. Decodes, so call it in a thread.

        What has no captions for the sticker model, but would do for a GAN or VAE, is shown as those will see it.
        """
        data, name = Path(path).read_bytes(), Path(path).stem[:80]
        try:
            seen = _seen(data, language, way)
        except StudioError as error:
            if way[0] == SET or error.key not in WITHOUT_CAPTIONS:
                raise
            seen = _seen_plain(data, language, way, error)
        digest = self.studio.keep_upload(owner, data, "application/zip")
        return _taken({"digest": digest, "name": name}, seen)

    def look_again(self, owner: str, given: Mapping[str, Any], language: Language, way: Way) -> Taken:
        """The same zip in another ``way``. Raises ``StudioError``. Decodes, so call it in a thread."""
        self.studio.library.check_owned(owner, [given["digest"]])
        data = self.studio.library.blobs.read(given["digest"])
        return _taken({"digest": given["digest"], "name": given["name"]}, _seen(data, language, way))


def _taken(given: dict[str, Any], seen: dict[str, Any]) -> Taken:
    learner = SET if seen["plain"] else STICKERS
    return given, {**given, "count": seen["count"], "plain": seen["plain"]}, {**given, **seen}, learner


def _seen(data: bytes, language: Language, way: Way) -> dict[str, Any]:
    """What of a zip is shown before anything learns from it."""
    learner, edge, crop = way
    plain = learner == SET
    found = look_at_set(data, edge, crop, SHOWN_PLAIN) if plain else look(data, SHOWN)
    tiles = [_square(one) if isinstance(one, np.ndarray) else _tile(one) for one in found.shown]
    warnings = [sentence(one, language) for one in found.warnings]
    return {
        "count": found.count,
        "plain": plain,
        "edge": edge if plain else 64,
        "pictures": tiles,
        "warnings": warnings,
    }


def _seen_plain(data: bytes, language: Language, way: Way, why: StudioError) -> dict[str, Any]:
    """The same for a GAN or VAE, as the sticker model cannot learn from it; raises ``why`` where they cannot either."""
    try:
        seen = _seen(data, language, (SET, *way[1:]))
    except StudioError:
        raise why from None
    instead = StudioError(
        "own.instead", "There are no captions for the sticker model, so a GAN or VAE learns from them."
    )
    return {**seen, "warnings": [sentence(instead, language), *seen["warnings"]]}


def _given(pictures: Any) -> dict[str, str]:
    """The fields of a request that name the ``pictures`` as posted. Raises ``StudioError`` where there are none."""
    if not isinstance(pictures, dict):
        raise StudioError("own.none", "There are no pictures yet. Drop your pictures into the field above, then start.")
    return {"pictures": pictures["digest"], "name": pictures["name"]}


def _square(picture: Any) -> dict[str, Any]:
    """A picture (S, S, 3) as a GAN or VAE sees it."""
    return {"url": _url(Image.fromarray(picture)), "caption": "", "english": ""}


def _url(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _tile(own: Own) -> dict[str, Any]:
    """A picture as the model sees it, and what is said of it; the English only where it is another."""
    values = own.picture.astype(np.float32)
    alpha = values[..., 3:]
    plain = np.concatenate([values[..., :3] * 255 / alpha.clip(min=1), alpha], -1).clip(0, 255).round()
    url = _url(Image.fromarray(plain.astype(np.uint8)))
    said = own.english if own.english.casefold() != own.caption.casefold() else ""
    return {"url": url, "caption": own.caption, "english": said}
