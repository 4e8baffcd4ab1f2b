"""A training on a person's pictures as a job: files, recipe, what is kept for another attempt, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.base import ATTEMPT
from pipelines.errors import StudioError
from studio.engine.job import Job
from studio.library.recipe import extract
from studio.models import main as models
from studio.services import Studio
from tests.own import own_zip
from tests.stickers import tiny_stickers
from tests.studios import OWNER, follow, open_in, wait_for, wait_state


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a tiny sticker model."""
    folder = tmp_path_factory.mktemp("studio")
    model = tiny_stickers(tmp_path_factory.mktemp("models") / "tiny-stickers")
    assert models(["add", str(model), "--task", "image", "--data", str(folder)]) == 0
    return folder


@pytest.fixture
def studio(data: Path) -> Iterator[Studio]:
    opened = open_in(data)
    yield opened
    opened.close()


def begun(studio: Studio, **settings: Any) -> Job:
    pictures = studio.library.keep_upload(OWNER, own_zip(20))
    values = {"pictures": pictures, "model": "tiny-stickers", "steps": 3, "seconds": 0, "batch": 4, "seed": 1}
    return studio.jobs.submit(OWNER, "sticker_training", values | settings)


def attempt(studio: Studio, job: Job) -> Path:
    return studio.settings.data / "jobs" / job.id / ATTEMPT


def test_a_finished_training_leaves_its_files_and_nothing_for_another_attempt(studio: Studio) -> None:
    job = begun(studio, name="dogs")
    assert {event.kind for event in follow(studio, job)} >= {"progress", "metrics", "sample", "result", "state"}
    assert studio.jobs.get(OWNER, job.id).state == "done"
    items = studio.library.of_job(OWNER, job.id)
    assert [(item.name, item.title) for item in items] == [("stickers.safetensors", "dogs"), ("samples.png", "dogs")]
    recipe = extract(studio.library.blobs.read(items[0].digest))
    assert recipe is not None
    assert recipe["settings"]["pictures"] == job.request["pictures"]
    assert recipe["settings"]["learning_rate"] == 2e-4
    assert recipe["seed"] == 1
    assert recipe["model"] == "tiny-stickers"
    assert len(recipe["model_sha256"]) == 64
    wait_for(lambda: not attempt(studio, job).exists())
    assert list((studio.settings.data / "jobs" / job.id).glob("sample-*.webp")), "the film of the training stays"


def test_an_interrupted_training_keeps_its_attempt_goes_on_and_is_swept_after_a_kill(data: Path) -> None:
    first = open_in(data)
    job = begun(first, steps=100_000)
    follow(first, job, stop=lambda event: event.kind == "metrics")
    first.close()
    assert list(attempt(first, job).glob("checkpoint-*.safetensors"))

    second = open_in(data)
    assert second.jobs.get(OWNER, job.id).state == "interrupted"
    second.jobs.resume(OWNER, job.id)
    resumed = follow(second, job, after=job_events(second, job), stop=lambda event: event.kind == "mark")
    assert "resumed at step" in resumed[-1].data["text"]
    assert not any(event.kind == "progress" and event.data["stage"] == "reading" for event in resumed)
    second.jobs.cancel(OWNER, job.id)
    wait_state(second, job, "cancelled")
    wait_for(lambda: not attempt(second, job).exists())
    second.close()

    attempt(second, job).mkdir(parents=True)  # a kill between the two
    third = open_in(data)
    assert not attempt(third, job).exists()
    third.close()


def job_events(studio: Studio, job: Job) -> int:
    return studio.jobs.events(OWNER, job.id)[-1].seq


def test_pictures_of_somebody_else_are_not_there(studio: Studio) -> None:
    pictures = studio.library.keep_upload("bob", own_zip(20, **{"bobs own.png": b""}))
    with pytest.raises(StudioError, match="no file"):
        begun(studio, pictures=pictures)


def test_a_zip_that_cannot_be_learned_from_ends_the_job_with_a_sentence(studio: Studio) -> None:
    job = begun(studio, pictures=studio.library.keep_upload(OWNER, own_zip(3)))
    follow(studio, job)
    ended = studio.jobs.get(OWNER, job.id)
    assert ended.error is not None
    assert ended.error.key == "own.few"
    wait_for(lambda: not attempt(studio, job).exists())
