"""Trainings that a page looks at as they are now: what is known is shared, and grows by what is new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.errors import StudioError
from studio import live
from studio.engine.job import Job, Numbered
from studio.runs import run_routes
from studio.services import Studio
from studio.tabs.training import TrainingView
from tests.studios import OWNER, endless_training, follow, open_in, small_training, wait_for, wait_state


class Counting(TrainingView):
    """How many events the views of all pages together were given."""

    given = 0

    def take(self, event: Numbered) -> None:
        Counting.given += 1
        super().take(event)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    server = request.param == "postgresql"
    url = request.getfixturevalue("postgresql").fresh() if server else ""
    opened = open_in(tmp_path_factory.mktemp("studio"), database=url)
    opened.live.make["training"] = Counting
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def job(studio: Studio) -> Job:
    """A training that has ended."""
    made = studio.jobs.submit(OWNER, "training", small_training())
    follow(studio, made)
    return studio.jobs.get(OWNER, made.id)


def view_of(events: list[Numbered], job: Job) -> dict[str, Any]:
    view = TrainingView(job, "en")
    for event in events:
        view.take(event)
    return view.show()


def test_a_look_shows_what_following_from_the_first_event_would(studio: Studio, job: Job) -> None:
    shown = studio.live.show(OWNER, job.id, "en")
    assert shown == {**view_of(studio.jobs.events(OWNER, job.id), job), "live": False}
    assert (shown["state"], shown["step"], shown["more"]) == ("done", 30, 2)


def test_each_event_is_taken_once_however_many_look_and_in_each_language(studio: Studio, job: Job) -> None:
    for _ in range(3):
        studio.live.show(OWNER, job.id, "en")
    Counting.given = 0
    events = len(studio.jobs.events(OWNER, job.id))
    for _ in range(3):
        studio.live.show(OWNER, job.id, "zh")
    assert Counting.given == events


def test_a_training_that_runs_is_live_and_grows_until_it_is_stopped(studio: Studio) -> None:
    running = studio.jobs.submit(OWNER, "training", endless_training())
    first = wait_for(lambda: (found := studio.live.show(OWNER, running.id, "en"))["step"] and found)
    assert (first["live"], first["more"]) == (True, 1)
    wait_for(lambda: studio.live.show(OWNER, running.id, "en")["step"] > first["step"])
    studio.jobs.cancel(OWNER, running.id)
    wait_state(studio, running, "cancelled")
    ended = studio.live.show(OWNER, running.id, "en")
    assert (ended["live"], ended["state"]) == (False, "cancelled")


def test_who_looked_at_long_ago_is_forgotten_and_looked_at_anew(
    studio: Studio, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = studio.live.show(OWNER, job.id, "en")
    monkeypatch.setattr(live, "KEPT", 1)
    other = studio.jobs.submit(OWNER, "training", small_training(steps=2))
    follow(studio, other)
    studio.live.show(OWNER, other.id, "en")
    Counting.given = 0
    assert studio.live.show(OWNER, job.id, "en") == before
    assert Counting.given > 0


def test_another_persons_training_is_not_there_and_other_kinds_are_followed(studio: Studio, job: Job) -> None:
    app = FastAPI()
    app.include_router(run_routes(studio))
    stranger = TestClient(app, headers={"accept-language": "en"})
    assert stranger.get(f"/jobs/{job.id}/view").status_code == 404
    text = studio.jobs.submit(OWNER, "text", {"prompt": "Hello"})
    with pytest.raises(StudioError, match="Jobs of the kind text are followed, not looked at"):
        studio.live.show(OWNER, text.id, "en")
    studio.jobs.cancel(OWNER, text.id)
