"""The endpoints for jobs: follow, cancel, pause, resume, finish, get, list.

What another process may have to see to is asked for in a thread, so that the page goes on meanwhile.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator

import gradio as gr

from pipelines.errors import StudioError
from studio.api.offering import Info, json_object, offer, whole
from studio.owners import owner_of
from studio.services import Studio


class Jobs:
    """Endpoints for jobs by their id. A job is its owner's; to anybody else it is not there."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        job_id = gr.Textbox(label="job_id")
        offer(self.follow_job, [job_id, gr.Number(0, label="after")], [gr.JSON(label="event")])
        for handler in (self.cancel_job, self.pause_job, self.resume_job, self.finish_job, self.get_job):
            offer(handler, [job_id], [gr.JSON(label="job")])
        offer(self.keep_job, [job_id, gr.Checkbox(True, label="keep")], [gr.JSON(label="job")])
        settings = gr.Textbox("{}", label="settings_json")
        offer(self.steer_job, [job_id, settings], [gr.JSON(label="job")])
        offer(self.list_snapshots, [job_id], [gr.JSON(label="snapshots")])
        offer(self.branch_training, [job_id, gr.Number(0, label="step"), settings], [gr.Textbox(label="job_id")])
        offer(self.list_jobs, [gr.Textbox("", label="kind"), gr.Number(50, label="limit")], [gr.JSON(label="jobs")])

    async def follow_job(self, job_id: str, after: float, request: gr.Request) -> AsyncIterator[Info]:
        """Follow a job: streams its numbered events, first what has happened, then live to its end.

        Args:
            job_id: The id of the job.
            after: The number of the last event already seen; 0 for all.
        """
        owner, last = owner_of(request), whole("after", after)
        async for batch in self._studio.jobs.follow(owner, job_id, last):
            for event in batch:
                yield event.json()

    async def cancel_job(self, job_id: str, request: gr.Request) -> Info:
        """End one job at its next step, and no other.

        Args:
            job_id: The id of the job.
        """
        return (await to_thread(self._studio.jobs.cancel, owner_of(request), job_id)).json()

    async def pause_job(self, job_id: str, request: gr.Request) -> Info:
        """Halt a running job at its next step; the device is free for others.

        Args:
            job_id: The id of the job.
        """
        return (await to_thread(self._studio.jobs.pause, owner_of(request), job_id)).json()

    async def resume_job(self, job_id: str, request: gr.Request) -> Info:
        """Let a paused job go on, or queue an interrupted one again; training goes on from its last checkpoint.

        Args:
            job_id: The id of the job.
        """
        return (await to_thread(self._studio.jobs.resume, owner_of(request), job_id)).json()

    async def finish_job(self, job_id: str, request: gr.Request) -> Info:
        """End a job early and keep what is there: the text so far, the generator as it is.

        Args:
            job_id: The id of the job.
        """
        return (await to_thread(self._studio.jobs.finish, owner_of(request), job_id)).json()

    async def keep_job(self, job_id: str, keep: bool, request: gr.Request) -> Info:
        """Whether a job goes on when nobody follows it any more, which it does unless told otherwise here.

        Args:
            job_id: The id of the job.
            keep: False ends it some seconds after the last follower left; a training keeps what it has learned.
        """
        return self._studio.jobs.end_with_page(owner_of(request), job_id, not keep).json()

    async def steer_job(self, job_id: str, settings_json: str, request: gr.Request) -> Info:
        """Change settings of a running or paused training, which hears them at its next step.

        Args:
            job_id: The id of the job.
            settings_json: New values as a JSON object, such as {"learning_rate": 0.0005, "gamma": 2}; or what it is to
                do once: {"only": "d"} or {"only": "g"} for an update of one side alone, {"rewind": 120} to go back to
                the snapshot of step 120.
        """
        changes = json_object(settings_json)
        return (await to_thread(self._studio.jobs.steer, owner_of(request), job_id, changes)).json()

    async def list_snapshots(self, job_id: str, request: gr.Request) -> list[Info]:
        """The states of a training that it can go back to and that others can branch from, oldest first.

        Args:
            job_id: The id of the job.
        """
        kept = await to_thread(self._studio.jobs.snapshots, owner_of(request), job_id)
        return [{"step": one.step, "seconds": one.seconds} for one in kept]

    async def branch_training(self, job_id: str, step: float, settings_json: str, request: gr.Request) -> str:
        """Begin a training that goes on from a snapshot of yours, of a job that runs or has ended. Returns its id.

        Args:
            job_id: The id of the job the snapshot is of.
            step: The step of the snapshot.
            settings_json: What is to be other than it was there, as a JSON object, such as {"seconds": 120}; networks,
                data and recipe stay.
        """
        changes, whole_step = json_object(settings_json), whole("step", step)
        return (await to_thread(self._studio.jobs.branch, owner_of(request), job_id, whole_step, changes)).id

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
            kind: text, image, style, training, sticker_training or sample; empty for all.
            limit: At most this many, 1 to 500.
        """
        most = whole("limit", limit)
        if not 1 <= most <= 500:
            raise StudioError("limit.range", "limit must be 1 to 500; you gave {value}.", value=most)
        kinds = (kind,) if kind else ()
        return [job.json() for job in self._studio.jobs.list(owner_of(request), kinds, limit=most)]
