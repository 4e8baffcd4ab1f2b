"""The administrators' section of devices on a real engine: what it shows, what it does, and what the log says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import StudioError
from studio.accounts.person import Person
from studio.engine.job import NotFound
from studio.services import Studio
from studio.settings import ASSETS
from studio.tabs.devices import Devices
from tests.studios import endless_training, follow, open_in, small_training, wait_for, wait_state


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_in(tmp_path, auth=True, running=2)
    yield opened
    opened.close()


@pytest.fixture
def root(studio: Studio) -> Person:
    return studio.accounts.add("Root", "administrator", "long enough for one")


@pytest.fixture
def section(studio: Studio) -> Devices:
    """Without its panel, which needs a page around it."""
    made = object.__new__(Devices)
    made.studio = studio
    return made


def test_it_shows_who_runs_what_who_waits_and_who_used_how_much(studio: Studio, root: Person, section: Devices) -> None:
    follow(studio, studio.jobs.submit(root.owner, "training", small_training(steps=3)))
    running = studio.jobs.submit(root.owner, "training", endless_training())
    follow(studio, running, stop=lambda event: event.kind == "metrics")
    queued = studio.jobs.submit("b123", "training", small_training())
    shown = section.value(root)
    assert json.loads(json.dumps(shown)) == shown, "plain JSON"
    assert [(one["who"], one["kind"], one["job"]) for one in shown["running"]] == [("Root", "training", running.id)]
    assert [(one["who"], one["job"]) for one in shown["queue"]] == [("", queued.id)]
    assert shown["spent"][0]["who"] == "Root"
    assert 0 < shown["spent"][0]["today"] <= shown["spent"][0]["week"]
    assert shown["caps"]["guest"]["running"] == 1
    section.act(root, {"action": "stop", "job": queued.id})
    section.act(root, {"action": "stop", "job": running.id})
    for job in (running, queued):
        assert wait_state(studio, job, "interrupted").error.key == "job.stopped"  # type: ignore[union-attr]
    assert [entry.what for entry in studio.accounts.audit.last(2)] == ["job.stopped", "job.stopped"]


def test_it_drains_and_changes_caps_and_the_log_says_who_did(studio: Studio, root: Person, section: Devices) -> None:
    section.act(root, {"action": "drain", "on": True})
    assert section.value(root)["draining"]
    section.act(root, {"action": "drain", "on": False})
    assert not section.value(root)["draining"]
    section.act(root, {"action": "caps", "role": "guest", "values": {"running": 2}})
    assert section.value(root)["caps"]["guest"]["running"] == 2
    last = studio.accounts.audit.last(3)
    assert [(entry.actor, entry.what) for entry in last] == [
        ("Root", "caps.changed"),
        ("Root", "drain.over"),
        ("Root", "drain.begun"),
    ]
    assert last[0].subject.startswith("guest: waiting 2, running 2")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"action": "stop", "job": "nothing"}, NotFound),
        ({"action": "caps", "role": "guest", "values": {"running": -1}}, StudioError),
        ({"action": "caps", "role": "queen", "values": {}}, StudioError),
        ({"action": "drain", "on": "yes"}, StudioError),
        ({"action": "explode"}, StudioError),
    ],
)
def test_what_the_page_cannot_ask_for_is_refused(
    section: Devices, root: Person, message: dict[str, object], error: type[StudioError]
) -> None:
    with pytest.raises(error):
        section.act(root, message)


def test_an_idle_model_is_unloaded_and_one_in_use_stays(studio: Studio, root: Person, section: Devices) -> None:
    photo = studio.library.keep_upload(root.owner, (ASSETS / "examples" / "cat.jpg").read_bytes())
    follow(studio, studio.jobs.submit(root.owner, "style", {"photo": photo, "style": "amber-morning"}))
    wait_for(lambda: section.value(root)["models"])
    model = section.value(root)["models"][0]
    assert not model["busy"]
    section.act(root, {"action": "unload", "model": model["model"]})
    wait_for(lambda: not section.value(root)["models"])
