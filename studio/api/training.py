"""The endpoints that start a training. Following it, and steering it, is for those of jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import gradio as gr

from pipelines.errors import StudioError
from pipelines.sticker.own_pictures import look
from studio.api.making import Making
from studio.api.offering import json_object, offer
from studio.owners import owner_of
from studio.uploads import Upload


class Training(Making):
    """Endpoints that begin a training and give its job."""

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        recipe = [gr.Textbox("r1", label="recipe"), gr.Textbox("fashion-mnist", label="dataset")]
        settings = gr.Textbox("{}", label="settings_json")
        offer(self.start_training, [*recipe, settings], [gr.Textbox(label="job_id")])
        own = [Upload(label="pictures"), gr.Textbox("", label="name"), gr.Textbox("{}", label="settings_json")]
        offer(self.start_sticker_training, own, [gr.Textbox(label="job_id")])

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
