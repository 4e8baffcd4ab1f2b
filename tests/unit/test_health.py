"""What a machine asks of the studio, on a real one with a real job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from studio.health import health_routes
from studio.services import Studio
from tests.studios import follow, open_in, small_training

Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Studio]:
    opened = open_in(tmp_path_factory.mktemp("studio"), database=module_database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(studio: Studio) -> TestClient:
    app = FastAPI()
    app.include_router(health_routes(studio))
    return TestClient(app)


def scraped(client: TestClient) -> Samples:
    """As Prometheus reads it: the value by name and label values."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def test_the_figures_follow_what_was_done_and_name_nobody(client: TestClient, studio: Studio) -> None:
    assert not [name for name, _ in scraped(client) if name == "atelier_jobs"]
    job = studio.jobs.submit("somebody", "training", small_training(steps=3))
    follow(studio, job)
    found = scraped(client)
    assert found["atelier_jobs", ("training", "done")] == 1
    spent = studio.jobs.get("somebody", job.id).device_seconds
    assert found["atelier_device_seconds_total", ("training",)] == pytest.approx(spent)
    assert (found["atelier_worker_ready", ()], found["atelier_jobs_waiting", ()]) == (1, 0)
    assert found["atelier_memory_limit_bytes", ()] > 0
    assert "somebody" not in client.get("/metrics").text


def test_a_studio_whose_worker_is_gone_lives_and_is_not_ready(tmp_path: Path) -> None:
    studio = open_in(tmp_path)
    app = FastAPI()
    app.include_router(health_routes(studio))
    client = TestClient(app)
    assert client.get("/readyz").status_code == 200
    studio.close()
    assert client.get("/healthz").json()["status"] == "ok"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["worker"]) == (503, "closed")
