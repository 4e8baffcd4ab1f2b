"""The routes of trainings on a real one: new rows for the page, every digit as CSV, TensorBoard's files in a folder."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from studio.engine.history import History
from studio.engine.job import Job
from studio.runs import chart_titles, run_routes
from studio.services import Studio
from tests.studios import follow, open_in, small_training

SERIES = ["generator", "discriminator", "real_accuracy", "fake_accuracy", "penalty"]
GRADIENTS = ["generator_gradient", "discriminator_gradient"]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Studio]:
    opened = open_in(tmp_path_factory.mktemp("studio"), database=module_database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(studio: Studio) -> TestClient:
    """Nobody in particular: whoever comes without a cookie."""
    app = FastAPI()
    app.include_router(run_routes(studio))
    return TestClient(app, headers={"accept-language": "en"})


@pytest.fixture(scope="module")
def job(studio: Studio) -> Job:
    """A training that has ended."""
    made = studio.jobs.submit("local", "training", small_training(steps=12))
    follow(studio, made)
    return studio.jobs.get("local", made.id)


def test_the_page_gets_all_rows_first_and_then_what_is_new(client: TestClient, studio: Studio, job: Job) -> None:
    whole = client.get(f"/jobs/{job.id}/curves").json()
    assert whole["steps"] == list(range(1, 13))
    assert list(whole["series"]) == [*SERIES, *GRADIENTS]
    assert (whole["begins"], whole["state"], whole["tensorboard"]) == (1, "done", True)
    later = client.get(f"/jobs/{job.id}/curves", params={"after": whole["last"]}).json()
    assert (later["steps"], later["begins"], later["marks"]) == ([], None, [])
    first = next(event.seq for event in studio.jobs.events("local", job.id) if event.kind == "metrics")
    rest = client.get(f"/jobs/{job.id}/curves", params={"after": first}).json()
    assert rest["steps"] == [step for step in whole["steps"] if step >= rest["begins"]]


def test_charts_keep_units_apart_and_name_their_lines(client: TestClient, job: Job) -> None:
    charts = client.get(f"/jobs/{job.id}/curves").json()["charts"]
    assert [chart["chart"] for chart in charts] == ["loss", "accuracy", "penalty", "gradient"]
    assert [one["title"] for one in charts[3]["series"]] == ["Generator gradient", "Discriminator gradient"]
    assert chart_titles("r1", ["generator"], "zh")[0]["series"] == [{"name": "generator", "title": "生成器损失"}]
    assert [one["chart"] for one in chart_titles("r1", ["a", "b"], "en")] == ["a", "b"], "unknown ones share no axis"


def test_the_table_has_a_row_for_every_step_with_every_digit(client: TestClient, studio: Studio, job: Job) -> None:
    answer = client.get(f"/jobs/{job.id}/curves.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="mnist-r1-' in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["step", "seconds", *SERIES, *GRADIENTS]
    history = History(studio.jobs.events("local", job.id))
    columns = [history.steps, history.seconds, *history.series.values()]
    assert [[float(cell) for cell in row] for row in rows[1:]] == [list(row) for row in zip(*columns, strict=True)]
    assert [row[0] for row in rows[1:]] == [str(step) for step in range(1, 13)]


def test_tensorboards_files_come_in_a_folder_named_after_the_training(
    client: TestClient, studio: Studio, job: Job, tmp_path: Path
) -> None:
    answer = client.get(f"/jobs/{job.id}/tensorboard.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("mnist-r1-")
    reader = EventAccumulator(str(folder)).Reload()
    history = History(studio.jobs.events("local", job.id))
    told = dict(zip(history.steps, history.series["penalty"], strict=True))
    assert {event.step: event.value for event in reader.Scalars("penalty/penalty")}.items() <= told.items()


def test_the_trainings_to_choose_from_are_those_that_have_curves(client: TestClient, job: Job) -> None:
    (found,) = client.get("/trainings").json()
    assert (found["job"], found["seed"], found["settings"]["dataset"]) == (job.id, 1, "mnist")


@pytest.mark.parametrize("name", ["curves", "curves.csv", "tensorboard.zip"])
def test_somebody_elses_training_is_not_there(client: TestClient, job: Job, name: str) -> None:
    stranger = {"authorization": "Bearer another"}
    assert client.get(f"/jobs/{job.id}/{name}", headers=stranger).status_code == 404
    assert client.get("/trainings", headers=stranger).json() == []


@pytest.mark.parametrize(("kind", "begins"), [("mp4", b"ftyp"), ("gif", b"GIF8")])
def test_the_samples_can_be_taken_away_as_a_film(client: TestClient, job: Job, kind: str, begins: bytes) -> None:
    answer = client.get(f"/jobs/{job.id}/film.{kind}")
    assert answer.status_code == 200
    assert begins in answer.content[:12]
    assert answer.headers["content-disposition"].endswith(f'.{kind}"')


def test_a_film_of_another_kind_or_of_anothers_training_is_not_found(client: TestClient, job: Job) -> None:
    assert client.get(f"/jobs/{job.id}/film.exe").status_code == 404
    assert client.get("/jobs/nobodys/film.mp4").status_code == 404
