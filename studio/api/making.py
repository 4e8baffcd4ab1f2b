"""What endpoints that make things have in common: a job is submitted and followed, its files handed over.

Handlers never compute. No parameter is a path on the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from gradio import processing_utils

from pipelines.durable import copy_durably
from pipelines.pictures import open_picture
from studio.api.offering import Info
from studio.engine.job import ENDED, Job
from studio.library.library import Item
from studio.services import Studio


class Making:
    """Endpoints that begin a job; all but a training's follow it to its end."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

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
