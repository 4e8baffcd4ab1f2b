"""Many pictures of one job in a studio: each is in the library as soon as it is done, whatever becomes of the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from studio.engine.job import Job
from studio.services import Studio
from tests.studios import OWNER, follow, open_in, wait_state
from tests.unit import tiny_diffusers


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = open_in(tmp_path_factory.mktemp("studio"))
    opened.catalog.add(tiny_diffusers.stable_diffusion(tmp_path_factory.mktemp("models") / "tiny"), name="tiny")
    yield opened
    opened.close()


def begin(studio: Studio, **more: object) -> Job:
    values = {"model": "tiny", "prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 7, **more}
    return studio.submit(OWNER, "image", values)


def test_each_is_told_of_and_listed_once_and_the_result_has_them_all(studio: Studio) -> None:
    job = begin(studio, prompt="a {red|blue} cat", x_field="steps", x_values="2, 3")
    seen = follow(studio, job)
    told = [item["name"] for event in seen if event.kind == "kept" for item in event.data["items"]]
    (result,) = [event for event in seen if event.kind == "result"]
    names = [item["name"] for item in result.data["items"]]
    assert told == ["picture-01-7.png"]
    assert names == ["picture-01-7.png", "picture-02-7.png", "grid-1.png"]
    items = studio.library.of_job(OWNER, job.id)
    assert sorted(item.name for item in items) == sorted(names)
    first = next(item for item in items if item.name == "picture-01-7.png")
    assert (first.recipe["settings"]["x_field"], first.recipe["settings"]["steps"]) == ("", 2)
    assert "{" not in first.recipe["settings"]["prompt"]


def test_a_cancel_leaves_what_was_finished(studio: Studio) -> None:
    job = begin(studio, count=8, steps=20)
    follow(studio, job, stop=lambda event: event.kind == "kept")
    studio.jobs.cancel(OWNER, job.id)
    assert wait_state(studio, job, "cancelled", "done").state == "cancelled"
    kept = studio.library.of_job(OWNER, job.id)
    assert 1 <= len(kept) < 8
    assert all(studio.library.blobs.path(item.digest).exists() for item in kept)
