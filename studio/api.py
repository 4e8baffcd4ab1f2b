"""The public API: named gradio endpoints with types and docstrings, which are also the MCP tools.

A contract: names, order and defaults of the parameters are kept by a snapshot test; new ones come last, with a
default. No parameter is a path on the server. Handlers submit a job and follow it; they never compute.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils
from gradio_client import utils as client_utils

from pipelines.errors import StudioError
from pipelines.pictures import open_picture
from studio.answers import answered
from studio.engine.job import ENDED, Job
from studio.library.library import Item
from studio.owners import owner_of
from studio.services import Studio
from studio.stubless import no_stubs

Info = dict[str, Any]


with no_stubs():  # gradio would write a stub for this class beside this very file

    class Upload(gr.File):
        """A file that was uploaded. A URL in its place is refused: the studio fetches nothing on somebody's word."""

        is_template = True  # gradio's word for: to the browser this is its parent, a plain file component

        async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
            if client_utils.is_http_url_like(str(url_or_file_path)):
                raise gr.Error("A file must be uploaded; a web address is not fetched.", print_exception=False)
            return await super().async_move_resource_to_block_cache(url_or_file_path)


class Api:
    """The endpoints, bound to a studio. ``build`` adds them to the page's Blocks, out of sight."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def build(self) -> None:
        text, number, flag = gr.Textbox, gr.Number, gr.Checkbox
        with gr.Column(visible=False):
            info = gr.JSON(label="info")
            self._offer(self.generate_text, self._text_fields(), [text(label="text"), info])
            self._offer(self.generate_image, self._image_fields(), [gr.Gallery(label="pictures", format="png"), info])
            photo = [Upload(label="photo"), text("", label="style"), Upload(label="style_picture")]
            self._offer(
                self.transfer_style,
                [*photo, number(1, label="strength"), flag(False, label="keep_colors")],
                [gr.Image(label="picture", type="filepath", format="png"), info],
            )
            recipe = [
                text("r1", label="recipe"),
                text("fashion-mnist", label="dataset"),
                text("{}", label="settings_json"),
            ]
            self._offer(self.start_training, recipe, [text(label="job_id")])
            job_id = text(label="job_id")
            self._offer(self.follow_job, [job_id, number(0, label="after")], [gr.JSON(label="event")])
            for handler in (self.cancel_job, self.pause_job, self.resume_job, self.finish_job, self.get_job):
                self._offer(handler, [job_id], [gr.JSON(label="job")])
            self._offer(self.list_jobs, [text("", label="kind"), number(50, label="limit")], [gr.JSON(label="jobs")])

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
            gr.JSON([], label="stop"),
            gr.Textbox("chat", label="mode"),
            gr.JSON([], label="history"),
        ]

    @staticmethod
    def _image_fields() -> list[Any]:
        return [
            gr.Textbox(label="prompt"),
            gr.Textbox("", label="negative_prompt"),
            gr.Textbox("", label="model"),
            gr.Number(20, label="steps"),
            gr.Number(5, label="guidance"),
            gr.Number(512, label="width"),
            gr.Number(512, label="height"),
            gr.Number(1, label="count"),
            gr.Number(-1, label="seed"),
            gr.Textbox("", label="scheduler"),
        ]

    @staticmethod
    def _offer(handler: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        gr.Button(visible=False).click(
            answered(handler),
            list(inputs),
            list(outputs),
            api_name=handler.__name__,
            concurrency_limit=None,
            show_progress="hidden",
        )

    # ------------------------------------------------------------------------------ making things

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
        job = self._studio.jobs.submit(owner, "text", values)
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
        request: gr.Request,
    ) -> AsyncIterator[tuple[list[str], Info]]:
        """Make pictures from words; streams progress in info, ends with the PNG files.

        Args:
            prompt: What the picture shows.
            negative_prompt: What it should not show.
            model: A catalogue name or a Hugging Face id; empty for the default.
            steps: Denoising steps, 1 to 150.
            guidance: How closely to follow the prompt, 0 to 30.
            width: In pixels, 64 to 2048, a multiple of 8.
            height: In pixels, 64 to 2048, a multiple of 8.
            count: Pictures, 1 to 8.
            seed: The same seed gives the same pictures; -1 for a fresh one, returned in info.
            scheduler: Name of a sampler; empty for the model's own.
        """
        values = {
            "prompt": prompt, "negative_prompt": negative_prompt, "model": model, "steps": steps, "guidance": guidance,
            "width": width, "height": height, "count": count, "seed": seed, "scheduler": scheduler,
        }  # fmt: skip
        async for items, info in self._make(owner_of(request), "image", values):
            yield [self._file(item) for item in items], info

    async def transfer_style(
        self,
        photo: str | None,
        style: str,
        style_picture: str | None,
        strength: float,
        keep_colors: bool,
        request: gr.Request,
    ) -> AsyncIterator[tuple[str | None, Info]]:
        """Paint a photo in a built-in style or in the style of any picture; ends with the PNG file.

        Args:
            photo: The photo, uploaded.
            style: The id of a built-in style; empty where style_picture is given.
            style_picture: A picture to take the style from, uploaded, or nothing.
            strength: 0 gives the photo back, 1 is the full style.
            keep_colors: Keep the photo's colours.
        """
        owner = owner_of(request)
        if photo is None:
            raise StudioError("photo.none", "No photo was given. Upload one, or choose an example.")
        values = {
            "photo": self._keep(owner, photo), "style": style,
            "style_picture": None if style_picture is None else self._keep(owner, style_picture),
            "strength": strength, "keep_colors": keep_colors,
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
        job = self._studio.jobs.submit(owner_of(request), "training", values | _object(settings_json))
        return job.id

    # -------------------------------------------------------------------------------- jobs

    async def follow_job(self, job_id: str, after: float, request: gr.Request) -> AsyncIterator[Info]:
        """Follow a job: streams its numbered events, first what has happened, then live to its end.

        Args:
            job_id: The id of the job.
            after: The number of the last event already seen; 0 for all.
        """
        owner, last = owner_of(request), _whole("after", after)
        async for batch in self._studio.jobs.follow(owner, job_id, last):
            for event in batch:
                yield event.json()

    async def cancel_job(self, job_id: str, request: gr.Request) -> Info:
        """End one job at its next step, and no other.

        Args:
            job_id: The id of the job.
        """
        return self._studio.jobs.cancel(owner_of(request), job_id).json()

    async def pause_job(self, job_id: str, request: gr.Request) -> Info:
        """Halt a running job at its next step; the device is free for others.

        Args:
            job_id: The id of the job.
        """
        return self._studio.jobs.pause(owner_of(request), job_id).json()

    async def resume_job(self, job_id: str, request: gr.Request) -> Info:
        """Let a paused job go on, or queue an interrupted one again; training goes on from its last checkpoint.

        Args:
            job_id: The id of the job.
        """
        return self._studio.jobs.resume(owner_of(request), job_id).json()

    async def finish_job(self, job_id: str, request: gr.Request) -> Info:
        """End a job early and keep what is there: the text so far, the generator as it is.

        Args:
            job_id: The id of the job.
        """
        return self._studio.jobs.finish(owner_of(request), job_id).json()

    async def get_job(self, job_id: str, request: gr.Request) -> Info:
        """One job: its state, request, device seconds, error, and what it made.

        Args:
            job_id: The id of the job.
        """
        owner = owner_of(request)
        job = self._studio.jobs.get(owner, job_id)
        return job.json() | {"items": [item.json() for item in self._studio.library.of_job(owner, job.id)]}

    async def list_jobs(self, kind: str, limit: float, request: gr.Request) -> list[Info]:
        """Your jobs, newest first.

        Args:
            kind: text, image, style, training or sample; empty for all.
            limit: At most this many, 1 to 500.
        """
        most = _whole("limit", limit)
        if not 1 <= most <= 500:
            raise StudioError("limit.range", "limit must be 1 to 500; you gave {value}.", value=most)
        kinds = (kind,) if kind else ()
        return [job.json() for job in self._studio.jobs.list(owner_of(request), kinds, limit=most)]

    # ------------------------------------------------------------------------------ inside

    async def _make(self, owner: str, kind: str, values: Info) -> AsyncIterator[tuple[list[Item], Info]]:
        """Submits and follows: progress as it comes, then what was made."""
        job = self._studio.jobs.submit(owner, kind, values)
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
        return self._studio.library.keep_upload(owner, data)

    def _file(self, item: Item) -> str:
        """A copy in gradio's cache under an unguessable name, so that the client can download it."""
        data = self._studio.library.blobs.read(item.digest)
        path: str = processing_utils.save_bytes_to_cache(data, item.name, str(self._studio.settings.temporary))
        return path


def _object(text: str) -> Info:
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise StudioError(
            "json.broken",
            "settings_json is not JSON: {reason} at character {place}.",
            reason=error.msg,
            place=error.pos,
        ) from None
    if not isinstance(found, dict):
        raise StudioError(
            "json.object", "settings_json must be a JSON object such as {example}.", example='{"seconds": 60}'
        )
    return found


def _whole(name: str, value: object) -> int:
    if isinstance(value, (int, float)) and value == value and abs(value) < 2**53 and int(value) == value:
        return int(value)
    raise StudioError(
        "rule.whole", "{field} must be a whole number; you gave {value}.", field=name, value=str(value)[:40]
    )
