"""The endpoints that make pictures, make them larger, and read how they were made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import StudioError
from studio.api.making import Making
from studio.api.offering import Info, json_object, offer
from studio.library.parameters import read_recipe
from studio.loras import keep_lora, named, resolved, weights_of
from studio.owners import owner_of
from studio.uploads import Upload


class Painting(Making):
    """Endpoints of the picture models."""

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        info = gr.JSON(label="info")
        offer(self.generate_image, self._image_fields(), [gr.Gallery(label="pictures", format="png"), info])
        offer(
            self.upscale_image,
            [Upload(label="picture"), gr.Number(2, label="factor")],
            [gr.Image(label="picture", type="filepath", format="png"), info],
        )
        offer(self.read_recipe, [Upload(label="picture")], [gr.JSON(label="recipe")])

    @staticmethod
    def _image_fields() -> list[Any]:
        return [
            gr.Textbox(label="prompt"),
            gr.Textbox("", label="negative_prompt"),
            gr.Textbox("", label="model"),
            gr.Number(-1, label="steps"),
            gr.Number(-1, label="guidance"),
            gr.Number(-1, label="width"),
            gr.Number(-1, label="height"),
            gr.Number(1, label="count"),
            gr.Number(-1, label="seed"),
            gr.Textbox("", label="scheduler"),
            gr.Textbox("", label="style"),
            gr.Textbox("", label="weights"),
            Upload(label="source"),
            Upload(label="mask"),
            gr.Textbox("{}", label="settings_json"),
            Upload(label="loras", file_count="multiple"),
            gr.Textbox("", label="lora_names"),
            gr.Textbox("", label="lora_weights"),
        ]

    async def generate_image(
        self,
        prompt: str,
        negative_prompt: str,
        model: str,
        steps: float,
        guidance: float,
        width: float,
        height: float,
        count: float,
        seed: float,
        scheduler: str,
        style: str,
        weights: str,
        request: gr.Request,
        source: str | None = None,
        mask: str | None = None,
        settings_json: str = "{}",
        loras: list[str] | None = None,
        lora_names: str = "",
        lora_weights: str = "",
    ) -> AsyncIterator[tuple[list[str], Info]]:
        """Make pictures from words; streams progress in info, ends with the PNG files, transparent ones of stickers.

        Args:
            prompt: What the picture shows.
            negative_prompt: What it should not show.
            model: A catalogue name or a Hugging Face id; empty for the default.
            steps: Denoising steps, 1 to 150; -1 for what the model gives its best with.
            guidance: How closely to follow the prompt, 0 to 30; -1 for what the model gives its best with.
            width: In pixels, 64 to 2048, a multiple of 8; -1 for the model's own. Stickers are 256.
            height: In pixels, 64 to 2048, a multiple of 8; -1 for the model's own. Stickers are 256.
            count: Pictures, 1 to 8.
            seed: The same seed gives the same pictures; -1 for a fresh one, returned in info.
            scheduler: Name of a sampler; empty for the model's own.
            style: How stickers are drawn: glossy, flat, noto, twitter or firefox; empty for what suits the words.
            weights: The digest of what a training on your own pictures left, to draw with; empty for the model's own.
            source: A picture to begin from, uploaded; nothing for a picture from words alone.
            mask: What of it shall be made anew, white on black, uploaded; nothing for all of it.
            settings_json: Further settings as a JSON object: {"strength": 0.5}, {"extend_left": 128}, {"upscale": 2},
                {"enlarge": 1.5}, {"x_field": "steps", "x_values": "10, 20"}, {"lines": true}, {"wildcards": "all"}.
            loras: Up to four LoRA files to lay over the model, safetensors, uploaded; nothing for none.
            lora_names: LoRA of the catalogue instead or besides, with commas between.
            lora_weights: How much each counts, -2 to 2, with commas between, the catalogue's first; empty for 1 each.
        """
        owner = owner_of(request)
        own = {"steps": steps, "guidance": guidance, "width": width, "height": height}
        values = {
            "prompt": prompt, "negative_prompt": negative_prompt, "model": model, "count": count, "seed": seed,
            "scheduler": scheduler, "style": style, "weights": weights or None,
            **{name: value for name, value in own.items() if value != -1},
            **{name: self._keep(owner, path) for name, path in (("source", source), ("mask", mask)) if path},
            **self._loras(owner, model, loras or [], lora_names, lora_weights),
            **json_object(settings_json),
        }  # fmt: skip
        async for items, info in self._make(owner, "image", values):
            yield [self._file(item) for item in items], info

    def _loras(self, owner: str, model: str, files: list[str], names: str, weights: str) -> Info:
        kept = [resolved(self._studio, owner, one, model) for one in named(names)]
        kept += [keep_lora(self._studio, owner, Path(path)) for path in files]
        counts = weights_of(weights, len(kept))
        laid = [{"file": one, "weight": count} for one, count in zip(kept, counts, strict=True)]
        return {"loras": laid} if laid else {}

    async def upscale_image(
        self, picture: str | None, factor: float, request: gr.Request
    ) -> AsyncIterator[tuple[str | None, Info]]:
        """Make a picture 2 or 4 times as large with the studio's own upscaler; ends with the PNG file.

        Args:
            picture: The picture, uploaded.
            factor: 2 or 4.
        """
        owner = owner_of(request)
        if picture is None:
            raise StudioError("photo.none", "No photo was given. Upload one, or choose an example.")
        values = {"picture": self._keep(owner, picture), "factor": factor}
        async for items, info in self._make(owner, "upscale", values):
            yield (self._file(items[0]) if items else None), info

    async def read_recipe(self, picture: str | None, request: gr.Request) -> Info:
        """How a picture was made: the recipe inside one of this studio, of AUTOMATIC1111's or of ComfyUI's.

        Args:
            picture: The picture, uploaded.
        """
        if picture is None:
            raise StudioError("photo.none", "No photo was given. Upload one, or choose an example.")
        owner_of(request)  # nobody reads here who may not come in
        found = await asyncio.to_thread(lambda: read_recipe(Path(picture).read_bytes()))
        return {"kind": found.kind, "settings": dict(found.settings), "from": found.source, "other": dict(found.other)}
