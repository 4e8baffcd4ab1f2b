"""The endpoints that paint photos and films. Further styles come as a JSON list that names pictures by their place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import StudioError
from pipelines.style.clips import look
from studio.api.making import Making
from studio.api.offering import Info, json_object, offer
from studio.owners import owner_of
from studio.uploads import Upload

EXAMPLE = '[{"style": "red-weave", "weight": 0.5}, {"picture": 0, "weight": 0.5}]'


class Styling(Making):
    """Endpoints of the painters."""

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        info = gr.JSON(label="info")
        picture = gr.Image(label="picture", type="filepath", format="png")
        offer(self.transfer_style, self._style_fields(), [picture, info])
        clip = [Upload(label="clip"), gr.Textbox("", label="style"), Upload(label="style_picture")]
        how = [gr.Number(1, label="strength"), gr.Textbox("{}", label="settings_json")]
        offer(self.paint_film, [*clip[:2], *how, clip[2]], [gr.File(label="film"), info])

    @staticmethod
    def _style_fields() -> list[Any]:
        return [
            Upload(label="photo"),
            gr.Textbox("", label="style"),
            Upload(label="style_picture"),
            gr.Number(1, label="strength"),
            gr.Checkbox(False, label="keep_colors"),
            gr.Textbox("fast", label="engine"),
            gr.Textbox("[]", label="blend_json"),
            gr.Textbox("{}", label="settings_json"),
            Upload(label="mask"),
            Upload(label="further_pictures", file_count="multiple"),
        ]

    async def transfer_style(
        self,
        photo: str | None,
        style: str,
        style_picture: str | None,
        strength: float,
        keep_colors: bool,
        engine: str,
        blend_json: str,
        settings_json: str,
        request: gr.Request,
        mask: str | None = None,  # a file has no value to be its default, so these two come last
        further_pictures: list[str] | None = None,
    ) -> AsyncIterator[tuple[str | None, Info]]:
        """Paint a photo in a built-in style or in the style of any picture; ends with the PNG file.

        Args:
            photo: The photo, uploaded.
            style: The id of a built-in style; empty where style_picture is given.
            style_picture: A picture to take the style from, uploaded, or nothing.
            strength: 0 gives the photo back, 1 is the full style.
            keep_colors: Keep the photo's colours.
            engine: fast for the networks, finest for optimisation after Gatys and others, which takes minutes.
            blend_json: Up to three further styles as a JSON list, such as [{"style": "red-weave", "weight": 0.5},
                {"picture": 0, "weight": 0.5, "region": 1}]; picture is a place in further_pictures, region 1 to 3 the
                red, green or blue of the mask where that style paints alone.
            settings_json: Further settings as a JSON object: colors (style, photo or matched), pixels (quick or every),
                style_size, detail, mask_inverse, mask_soft, style_weight, edge and steps (of the finest engine),
                scores, and what: picture, or sheet for all built-in styles on this photo.
            mask: A picture that is bright where the photo is to be painted, uploaded, or nothing.
            further_pictures: Up to three more pictures to take styles from, uploaded.
        """
        owner = owner_of(request)
        if photo is None:
            raise StudioError("photo.none", "No photo was given. Upload one, or choose an example.")
        values = {
            "photo": self._keep(owner, photo), "style": style,
            "style_picture": None if style_picture is None else self._keep(owner, style_picture),
            "strength": strength, "keep_colors": keep_colors, "engine": engine,
            "mask": None if mask is None else self._keep(owner, mask),
            "parts": blended(blend_json, [self._keep(owner, path) for path in further_pictures or []]),
            **json_object(settings_json),
        }  # fmt: skip
        async for items, info in self._make(owner, "style", values):
            yield (self._file(items[0]) if items else None), info

    async def paint_film(
        self,
        clip: str | None,
        style: str,
        strength: float,
        settings_json: str,
        request: gr.Request,
        style_picture: str | None = None,
    ) -> AsyncIterator[tuple[str | None, Info]]:
        """Paint a GIF or a short video frame by frame, its sound kept; ends with a GIF or an MP4 file.

        Args:
            clip: A GIF, MP4, MOV, WebM or AVI of at most 900 frames and 60 seconds, uploaded.
            style: The id of a built-in style; empty where style_picture is given.
            strength: 0 gives the frames back, 1 is the full style.
            settings_json: Further settings as a JSON object: smooth (0 to 0.95), edge (the longer side in pixels),
                colors, detail, style_size, parts.
            style_picture: A picture to take the style from, uploaded, or nothing.
        """
        owner = owner_of(request)
        if clip is None:
            raise StudioError("film.none", "No moving picture was given. Upload a GIF or a short video.")
        data = await asyncio.to_thread(Path(clip).read_bytes)
        await asyncio.to_thread(look, data)  # refused now rather than by the job
        values = {
            "photo": self._studio.keep_upload(owner, data), "style": style, "strength": strength,
            "style_picture": None if style_picture is None else self._keep(owner, style_picture),
            **json_object(settings_json), "what": "film",
        }  # fmt: skip
        async for items, info in self._make(owner, "style", values):
            yield (self._file(items[0]) if items else None), info


def blended(text: str, digests: Sequence[str]) -> list[dict[str, Any]]:
    """``text`` as the parts of a ``StyleRequest``, the number of each picture replaced by its digest."""
    try:
        found = json.loads(text or "[]")
    except json.JSONDecodeError:
        found = None
    if not (isinstance(found, list) and all(isinstance(part, dict) for part in found)):
        raise StudioError("style.blend.list", "blend_json must be a list such as {example}.", example=EXAMPLE)
    return [_with_digest(part, digests) for part in found]


def _with_digest(part: dict[str, Any], digests: Sequence[str]) -> dict[str, Any]:
    number = part.get("picture")
    if not isinstance(number, int) or isinstance(number, bool):
        return part
    if not 0 <= number < len(digests):
        raise StudioError(
            "style.picture.number",
            "blend_json names picture {number}, and further_pictures has {count}.",
            number=number,
            count=len(digests),
        )
    return {**part, "picture": digests[number]}
