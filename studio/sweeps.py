"""The runs of a sweep as they stand, the best first: for the page, for scripts, and for whoever has to choose.

Knows jobs, and what their events say of the Fréchet distance. Everything is looked up for the owner who asks.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from pipelines.errors import StudioError
from studio.engine.history import History
from studio.engine.job import ENDED, Job
from studio.engine.siblings import differences
from studio.owners import owner_of
from studio.services import Studio

#: trainings among which those of a sweep are looked for
NEWEST = 500
_SERIES = "frechet"


class Sweeps:
    """What is known of each run, added to with each question."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._known: dict[str, History] = {}

    def rows(self, owner: str, sweep: str) -> list[dict[str, Any]]:
        """One row a run. Those that were measured come first, least Fréchet distance before; ``StudioError`` where
        there is no such sweep of the owner's."""
        jobs = [job for job in self._studio.jobs.list(owner, ("training",), limit=NEWEST) if _of(job) == sweep]
        if not sweep or not jobs:
            raise StudioError("sweep.unknown", "There is no sweep {sweep} of yours.", sweep=sweep[:40])
        jobs.reverse()  # the first to be begun first
        own = differences([job.request for job in jobs])
        rows = [
            {"number": number, **self._row(job, differs)}
            for number, (job, differs) in enumerate(zip(jobs, own, strict=True))
        ]
        return sorted(rows, key=lambda row: math.inf if row["frechet"] is None else row["frechet"])

    def _row(self, job: Job, differs: Mapping[str, Any]) -> dict[str, Any]:
        history = self._history(job)
        measured = [value for value in history.series.get(_SERIES, ()) if not math.isnan(value)]
        return {
            "job": job.id,
            "state": job.state,
            "device": job.device or "",
            "differs": dict(differs),
            "step": history.steps[-1] if len(history) else 0,
            "seconds": round(history.seconds[-1], 1) if len(history) else 0.0,
            "frechet": round(measured[-1], 4) if measured else None,
            "best": round(min(measured), 4) if measured else None,
        }

    def _history(self, job: Job) -> History:
        known = self._known.setdefault(job.id, History())
        for event in self._studio.jobs.events(job.owner, job.id, known.last):
            known.take(event)
        if job.state in ENDED or len(self._known) > NEWEST:
            self._known.pop(job.id, None)
        return known


def begin(studio: Studio, owner: str, runs: Sequence[Mapping[str, Any]], ends_with_page: bool = False) -> list[Job]:
    """Submits all of them, or none where one is refused. Raises ``StudioError``."""
    return studio.submit_all(owner, "training", {uuid.uuid4().hex: run for run in runs}, ends_with_page)


def sweep_routes(studio: Studio) -> APIRouter:
    """The one there is, bound to ``studio``."""
    router = APIRouter()
    sweeps = Sweeps(studio)

    @router.get("/sweeps/{sweep}")
    def rows(sweep: str, request: Request) -> list[dict[str, Any]]:
        try:
            return sweeps.rows(owner_of(request), sweep)
        except StudioError as error:
            raise HTTPException(404, str(error)) from None

    return router


def _of(job: Job) -> str:
    return str(job.request.get("sweep") or "")
