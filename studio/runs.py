"""The routes of trainings: how they look now, their curves for the page, as a CSV file, as TensorBoard's files, the
film of their samples, and which there are.

Everything is looked up for the owner who asks. The page asks for what is new since the last event it has seen, so that
an update costs what was added and not what there is.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import orjson
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse

from pipelines.errors import StudioError
from pipelines.film import MEDIA, MOST, film, thinned
from pipelines.training.gradient_names import named_gradient
from pipelines.training.measure_names import MEASURES
from pipelines.training.recipe_names import RECIPES, Series
from studio.engine.history import History, samples_of
from studio.engine.job import Job
from studio.locales import Language, language_of, marked, sentence
from studio.owners import owner_of
from studio.services import Studio

ROWS = 24_000  # of one answer to the page, which thins further to the width it has
KEPT = 50  # trainings to choose from
MARKS = 200
CHUNK = 1 << 16
KINDS = ("training", "sticker_training")
#: the number of the last event a page has seen
Seen: TypeAlias = Annotated[int, Query(ge=0, lt=2**53)]
_SETTINGS = ("name", "recipe", "dataset", "start", "seconds", "steps", "width", "batch", "learning_rate")
_EVENTS = "tensorboard/events.out.tfevents*"
#: of a training on a person's own pictures
_OWN = (
    Series("loss", "Loss", "损失"),
    Series("trend", "Loss, smoothed", "损失（平滑）"),
    Series("speed", "Pictures per second", "每秒图片数", "speed"),
)


def run_routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router = APIRouter()

    @router.get("/trainings")
    def trainings(request: Request) -> list[dict[str, Any]]:
        jobs = studio.jobs.list(owner_of(request), kinds=KINDS, limit=KEPT)
        return [_run(job) for job in jobs if job.device_seconds > 0]

    @router.get("/jobs/{job_id}/view")
    def view(job_id: str, request: Request) -> Response:
        try:
            shown = studio.live.show(owner_of(request), job_id, language_of(request))
        except StudioError as error:
            raise HTTPException(404, sentence(error, language_of(request))) from None
        return Response(orjson.dumps(shown), media_type="application/json", headers={"Cache-Control": "no-store"})

    @router.get("/jobs/{job_id}/curves")
    def curves(job_id: str, request: Request, after: Seen = 0) -> Response:
        job = _owned(studio, request, job_id)
        history = History(studio.jobs.events(job.owner, job.id, after), after)
        answer = _answer(job, history, language_of(request), bool(_event_files(studio, job)))
        body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    @router.get("/jobs/{job_id}/curves.csv")
    def table(job_id: str, request: Request) -> Response:
        job = _owned(studio, request, job_id)
        history = History(studio.jobs.events(job.owner, job.id))
        return _download(_lines(history), f"{name_of(job)}.csv", "text/csv; charset=utf-8")

    @router.get("/jobs/{job_id}/snapshots")
    def snapshots(job_id: str, request: Request) -> list[dict[str, Any]]:
        job = _owned(studio, request, job_id)
        return [{"step": one.step, "seconds": one.seconds} for one in studio.jobs.snapshots(job.owner, job.id)]

    @router.get("/jobs/{job_id}/tensorboard.zip")
    def tensorboard(job_id: str, request: Request) -> Response:
        job = _owned(studio, request, job_id)
        files = _event_files(studio, job)
        if not files:
            raise HTTPException(404, "this training has no TensorBoard files")
        return _download(_zipped(studio, job, files), f"{name_of(job)}-tensorboard.zip", "application/zip")

    @router.get("/jobs/{job_id}/samples")
    def samples(job_id: str, request: Request) -> list[dict[str, Any]]:
        job = _owned(studio, request, job_id)
        grids = samples_of(studio.jobs.events(job.owner, job.id))
        return [{"step": one.step, "seconds": one.seconds, "url": f"/jobs/{job.id}/files/{one.file}"} for one in grids]

    @router.get("/jobs/{job_id}/film.{kind}")
    def film_of_samples(job_id: str, kind: str, request: Request) -> Response:
        job = _owned(studio, request, job_id)
        if kind not in MEDIA:
            raise HTTPException(404, f"a film is {' or '.join(MEDIA)}, not {kind[:20]}")
        drawn = [one.file for one in samples_of(studio.jobs.events(job.owner, job.id))]
        try:
            with _here(studio, job, thinned(drawn, 2 * MOST[kind])) as pictures:
                data = film(pictures, kind, name_of(job))
        except StudioError as error:
            raise HTTPException(409, sentence(error, language_of(request))) from None
        return _download(iter([data]), f"{name_of(job)}.{kind}", MEDIA[kind])

    return router


def _owned(studio: Studio, request: Request, job_id: str) -> Job:
    try:
        return studio.jobs.get(owner_of(request), job_id)
    except StudioError as error:
        raise HTTPException(404, str(error)) from None


# ---------------------------------------------------------------------------------------------- the page


def _run(job: Job) -> dict[str, Any]:
    """A training as the page names it."""
    return {
        "job": job.id,
        "kind": job.kind,
        "state": job.state,
        "created": job.created,
        "seed": job.seed,
        "settings": {name: job.request[name] for name in _SETTINGS if name in job.request},
    }


def _answer(job: Job, history: History, language: Language, has_files: bool) -> dict[str, Any]:
    """Columns of about ``ROWS`` rows. ``begins``: what the page has of this step and later is void."""
    rows = history.thinned(ROWS)
    marks = history.marks[-MARKS:]
    return {
        **_run(job),
        "last": history.last,
        "begins": history.begins,
        "steps": np.asarray(history.steps)[rows],
        "seconds": np.asarray(history.seconds)[rows].round(3),
        "series": {name: np.asarray(column, np.float32)[rows] for name, column in history.series.items()},
        "charts": chart_titles(str(job.request.get("recipe", job.kind)), list(history.series), language),
        "marks": [[mark["step"], round(mark["seconds"], 3), marked(mark, language)] for mark in marks],
        "tensorboard": has_files,
        "file": name_of(job),
    }


def chart_titles(recipe: str, names: list[str], language: Language) -> list[dict[str, Any]]:
    """Which series share a chart, in the recipe's order, with the names people read. Unknown ones get their own."""
    found = RECIPES[recipe].series if recipe in RECIPES else _OWN if recipe == "sticker_training" else ()
    known = {series.name: series for series in found}
    known |= {name: series for name in names if (series := named_gradient(name)) is not None}
    known |= MEASURES if found is not _OWN else {}
    charts: dict[str, list[dict[str, str]]] = {}
    for name in [*(n for n in known if n in names), *(n for n in names if n not in known)]:
        series = known.get(name)
        title = name if series is None else (series.title_zh if language == "zh" else series.title)
        charts.setdefault(series.chart if series else name, []).append({"name": name, "title": title})
    return [{"chart": chart, "series": series} for chart, series in charts.items()]


# ------------------------------------------------------------------------------------------------- files


def name_of(job: Job) -> str:
    """What the files of a training are called: fashion-mnist-r1-20260131-1405."""
    made = time.strftime("%Y%m%d-%H%M", time.localtime(job.created))
    return "-".join([*(str(job.request[name]) for name in ("dataset", "recipe") if name in job.request), made])


def _lines(history: History) -> Iterator[str]:
    """One row a step, with every digit that was measured; what was not measured at a step is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["step", "seconds", *history.series])
    columns = (history.steps, history.seconds, *history.series.values())
    for row in zip(*columns, strict=True):
        writer.writerow(["" if math.isnan(value) else value for value in row])
        if out.tell() > CHUNK:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


@contextmanager
def _here(studio: Studio, job: Job, names: Sequence[str]) -> Iterator[list[Path]]:
    """Those of the pictures that are still there, on this machine for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name in names:
            path = studio.workspaces.path(job.id, name)
            if path is None:
                try:
                    path = Path(folder) / name
                    path.write_bytes(studio.workspaces.read(job.id, name))
                except FileNotFoundError:
                    continue
            found.append(path)
        yield found


def _event_files(studio: Studio, job: Job) -> list[str]:
    return sorted(name for name in studio.workspaces.files(job.id) if fnmatchcase(name, _EVENTS))


def _zipped(studio: Studio, job: Job, files: list[str]) -> Iterator[bytes]:
    """The files in a folder of their own, since TensorBoard calls a run by its folder."""
    with tempfile.TemporaryFile() as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in files:
                entry = f"{name_of(job)}/{name.rpartition('/')[2]}"
                with studio.workspaces.open(job.id, name) as file, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(file, target, CHUNK)
        out.seek(0)
        while chunk := out.read(CHUNK):
            yield chunk


def _download(parts: Iterator[str] | Iterator[bytes], name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(parts, media_type=media_type, headers=headers)
