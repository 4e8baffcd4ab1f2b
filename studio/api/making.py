"""The endpoints that make things: text, pictures, painted photos, trained models.

Handlers submit a job and follow it; they never compute. No parameter is a path on the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils

from pipelines.durable import copy_durably
from pipelines.errors import StudioError
from pipelines.pictures import open_picture
from pipelines.sticker.own_pictures import look
from pipelines.style.clips import look as look_at_clip
from studio.api.offering import Info, json_object, listed, offer
from studio.api.styling import blended
from studio.engine.job import ENDED, Job
from studio.library.library import Item
from studio.library.parameters import read_recipe
from studio.owners import owner_of
from studio.services import Studio
from studio.tabs.expanding import expanded
from studio.uploads import Upload


class Making:
    """Endpoints that begin a job; all but a training's follow it to its end."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        info = gr.JSON(label="info")
        offer(self.generate_text, self._text_fields(), [gr.Textbox(label="text"), info])
        offer(self.generate_image, self._image_fields(), [gr.Gallery(label="pictures", format="png"), info])
        offer(
            self.transfer_style,
            self._style_fields(),
            [gr.Image(label="picture", type="filepath", format="png"), info],
        )
        offer(
            self.upscale_image,
            [Upload(label="picture"), gr.Number(2, label="factor")],
            [gr.Image(label="picture", type="filepath", format="png"), info],
        )
        short = [gr.Textbox(label="prompt"), gr.Textbox("", label="model"), gr.Number(-1, label="seed")]
        offer(self.expand_prompt, short, [gr.Textbox(label="prompt")])
        offer(self.read_recipe, [Upload(label="picture")], [gr.JSON(label="recipe")])
        clip = [Upload(label="clip"), gr.Textbox("", label="style"), Upload(label="style_picture")]
        how = [gr.Number(1, label="strength"), gr.Textbox("{}", label="settings_json")]
        offer(self.paint_film, [*clip[:2], *how, clip[2]], [gr.File(label="film"), info])
        recipe = [gr.Textbox("r1", label="recipe"), gr.Textbox("fashion-mnist", label="dataset")]
        settings = gr.Textbox("{}", label="settings_json")
        offer(self.start_training, [*recipe, settings], [gr.Textbox(label="job_id")])
        own = [Upload(label="pictures"), gr.Textbox("", label="name"), gr.Textbox("{}", label="settings_json")]
        offer(self.start_sticker_training, own, [gr.Textbox(label="job_id")])

    @staticmethod
    def _text_fields() -> list[Any]:
        return [
            gr.Textbox(label="prompt"),
            gr.Textbox("", label="system"),
            gr.Textbox("", label="model"),
            gr.Number(256, label="max_new_tokens"),
            gr.Number(0.7, label="temperature"),
            gr.Number(0.95, label="top_p"),
            gr.Number(-1, label="seed"),
            gr.Number(50, label="top_k"),
            gr.Number(1.1, label="repetition_penalty"),
            listed("stop", {"type": "string"}),
            gr.Textbox("chat", label="mode"),
            listed("history", {"type": "array", "items": {"type": "string"}}),
        ]

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
        ]

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

    async def generate_text(
        self,
        prompt: str,
        system: str,
        model: str,
        max_new_tokens: float,
        temperature: float,
        top_p: float,
        seed: float,
        top_k: float,
        repetition_penalty: float,
        stop: list[str] | None,
        mode: str,
        history: list[list[str]] | None,
        request: gr.Request,
    ) -> AsyncIterator[tuple[str, Info]]:
        """Write text with a language model; streams the text so far, and info about the job.

        Args:
            prompt: What to answer or to continue.
            system: Instructions that hold for the whole conversation.
            model: A catalogue name or a Hugging Face id; empty for the default.
            max_new_tokens: How long at most, in tokens, 1 to 2048.
            temperature: 0 is always the likeliest word, 2 very free.
            top_p: Only words within this share of the probability, above 0 to 1.
            seed: The same seed gives the same text; -1 for a fresh one, returned in info.
            top_k: Only the this many likeliest words; 0 for all.
            repetition_penalty: Above 1 words already used become less likely.
            stop: Up to 8 strings that end the text when they appear.
            mode: chat or continue.
            history: Earlier turns as [role, text], role user or assistant, oldest first.
        """
        values = {
            "prompt": prompt, "system": system, "model": model, "max_new_tokens": max_new_tokens,
            "temperature": temperature, "top_p": top_p, "seed": seed, "top_k": top_k,
            "repetition_penalty": repetition_penalty, "stop": stop or [], "mode": mode, "history": history or [],
        }  # fmt: skip
        owner = owner_of(request)
        job = self._studio.submit(owner, "text", values)
        text = ""
        async for batch in self._studio.jobs.follow(owner, job.id):
            new = "".join(event.data["text"] for event in batch if event.kind == "token")
            if new:
                text += new
                rate = next(event.data["rate"] for event in reversed(batch) if event.kind == "token")
                yield text, {"job_id": job.id, "seed": job.seed, "state": "running", "tokens_per_second": rate}
        ended = self._ended(owner, job)
        yield text, self._info(ended)

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
        """
        owner = owner_of(request)
        own = {"steps": steps, "guidance": guidance, "width": width, "height": height}
        values = {
            "prompt": prompt, "negative_prompt": negative_prompt, "model": model, "count": count, "seed": seed,
            "scheduler": scheduler, "style": style, "weights": weights or None,
            **{name: value for name, value in own.items() if value != -1},
            **{name: self._keep(owner, path) for name, path in (("source", source), ("mask", mask)) if path},
            **json_object(settings_json),
        }  # fmt: skip
        async for items, info in self._make(owner, "image", values):
            yield [self._file(item) for item in items], info

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
            settings_json: Further settings as a JSON object: colors (style, photo or matched), style_size, detail,
                mask_inverse, mask_soft, style_weight, edge and steps (of the finest engine), scores, and what: picture,
                or sheet for all built-in styles on this photo.
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

    async def expand_prompt(self, prompt: str, model: str, seed: float, request: gr.Request) -> AsyncIterator[str]:
        """Make a longer prompt for a picture out of a few words, with a language model; streams it.

        Args:
            prompt: A few words.
            model: A language model of the catalogue; empty for the default.
            seed: The same seed gives the same prompt; -1 for a fresh one.
        """
        async for text in expanded(self._studio, owner_of(request), prompt, int(seed), model):
            yield text

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
        await asyncio.to_thread(look_at_clip, data)  # refused now rather than by the job
        values = {
            "photo": self._studio.keep_upload(owner, data), "style": style, "strength": strength,
            "style_picture": None if style_picture is None else self._keep(owner, style_picture),
            **json_object(settings_json), "what": "film",
        }  # fmt: skip
        async for items, info in self._make(owner, "style", values):
            yield (self._file(items[0]) if items else None), info

    async def start_training(self, recipe: str, dataset: str, settings_json: str, request: gr.Request) -> str:
        """Start training a model; returns the id of the job, which goes on whether or not anyone follows it.

        Args:
            recipe: Name of the recipe, such as r1 or dcgan; empty for the default.
            dataset: Name of the data set, such as fashion-mnist or mnist; empty for the default.
            settings_json: Further settings as a JSON object, such as {"seconds": 60, "seed": 1, "width": 16}.
        """
        values = {name: value for name, value in (("recipe", recipe), ("dataset", dataset)) if value}
        job = self._studio.submit(owner_of(request), "training", values | json_object(settings_json))
        return job.id

    async def start_sticker_training(
        self, pictures: str | None, name: str, settings_json: str, request: gr.Request
    ) -> str:
        """Start training the sticker model on your own captioned pictures; returns the id of the job, which goes on.

        Args:
            pictures: A zip of 20 to 20,000 pictures, uploaded. A caption is the words of a picture's name or its
                folder's, a text file beside it, or a line in captions.csv or metadata.jsonl (file_name, text).
            name: What you call them; empty for nothing in particular.
            settings_json: Further settings as a JSON object, such as {"seconds": 900, "start": "stickers"}.
        """
        if pictures is None:
            raise StudioError("own.no_zip", "No pictures were given. Upload a zip of them.")
        owner, data = owner_of(request), await asyncio.to_thread(Path(pictures).read_bytes)
        await asyncio.to_thread(look, data, 1)  # refused now rather than by the job
        values = {"pictures": self._studio.keep_upload(owner, data, "application/zip"), "name": name}
        return self._studio.submit(owner, "sticker_training", values | json_object(settings_json)).id

    # ---------------------------------------------------------------------------------------- inside

    async def _make(self, owner: str, kind: str, values: Info) -> AsyncIterator[tuple[list[Item], Info]]:
        """Submits and follows: progress as it comes, then what was made."""
        job = self._studio.submit(owner, kind, values)
        yield [], self._info(job)
        async for batch in self._studio.jobs.follow(owner, job.id):
            for event in batch:
                if event.kind == "progress":
                    yield [], self._info(job) | {"state": "running", "progress": dict(event.data)}
        ended = self._ended(owner, job)
        yield self._studio.library.of_job(owner, job.id), self._info(ended)

    def _ended(self, owner: str, job: Job) -> Job:
        """The job as it ended; a failure is raised as its own sentence."""
        ended = self._studio.jobs.get(owner, job.id)
        if ended.state in ENDED and ended.error is not None:
            raise ended.error.as_error()
        return ended

    def _info(self, job: Job) -> Info:
        return {"job_id": job.id, "seed": job.seed, "state": job.state, "model": job.model, **job.facts}

    def _keep(self, owner: str, path: str) -> str:
        """Keeps an uploaded picture, checked, under its digest."""
        data = Path(path).read_bytes()
        open_picture(data)
        return self._studio.keep_upload(owner, data)

    def _file(self, item: Item) -> str:
        """A copy in gradio's cache under an unguessable name, so that the client can download it."""
        cache = str(self._studio.settings.temporary)
        path: str = processing_utils.save_bytes_to_cache(item.digest.encode(), item.name, cache)
        with self._studio.library.blobs.open(item.digest) as source:
            copy_durably(source, Path(path))
        self._studio.handed.give(item.owner, path)
        return path
