"""Two web processes over one PostgreSQL, as they are started, behind one address: nothing is lost or done twice,
whichever of them dies and whichever line to the database is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from sqlalchemy import Engine, create_engine, text

from benchmarks.servers import Server, server
from tests.postgres import PostgreSQL
from tests.studios import wait_for

TRAINING = {"seconds": 0, "width": 4, "batch": 8, "seed": 1}
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Web:
    """One process and a script that talks to it."""

    def __init__(self, running: Server) -> None:
        self.server = running
        self.client = Client(running.url, verbose=False)

    def start(self, steps: int) -> str:
        values = json.dumps({**TRAINING, "steps": steps})
        job: str = self.client.predict("r1", "mnist", values, api_name="/start_training")
        return job

    def follow(self, job: str) -> list[dict[str, Any]]:
        return list(self.client.submit(job, 0, api_name="/follow_job"))

    def get(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.predict(job, api_name="/get_job")
        return found

    def tell(self, job: str, what: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.predict(job, api_name=f"/{what}_job")
        return found

    def close(self) -> None:
        self.client.close()


@contextmanager
def webs(data: Path, url: str, *options: str) -> Iterator[tuple[Web, Web]]:
    """The first leads."""
    common = ("--threads", "1", "--database", url, *options)
    with server(data, *common) as one:
        one.wait_ready()
        with server(data, *common) as other:
            other.wait_ready()
            with closing(Web(one)) as first, closing(Web(other)) as second:
                yield first, second


@pytest.fixture(scope="module")
def url(postgresql: PostgreSQL) -> str:
    return postgresql.fresh()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[tuple[Web, Web]]:
    with webs(tmp_path_factory.mktemp("data"), url) as both:
        yield both


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def is_whole(events: list[dict[str, Any]]) -> bool:
    """Every event once and in order, and one end."""
    ends = [one for one in events if one["kind"] == "state" and one["data"]["state"] == "done"]
    return [one["seq"] for one in events] == list(range(1, len(events) + 1)) and len(ends) == 1


def test_both_show_the_same_library_jobs_and_events_whoever_was_asked(pair: tuple[Web, Web]) -> None:
    for asked, shown in (pair, pair[::-1]):
        job = asked.start(20)
        events = shown.follow(job)
        assert is_whole(events)
        assert asked.follow(job) == events
        assert asked.get(job) == shown.get(job)
        listed = [one.client.predict("", 50, api_name="/list_jobs") for one in pair]
        assert listed[0] == listed[1]
        items = [item["id"] for item in shown.get(job)["items"]]
        found = shown.client.predict(limit=60, api_name="/search_library")
        assert set(items) <= {item["id"] for item in found["items"]}


def test_a_job_asked_for_at_one_is_cancelled_at_the_other(pair: tuple[Web, Web]) -> None:
    for asked, told in (pair, pair[::-1]):
        job = asked.start(1_000_000)
        wait_for(lambda told=told, job=job: told.get(job)["state"] == "running", 60)
        told.tell(job, "cancel")
        wait_for(lambda asked=asked, job=job: asked.get(job)["state"] == "cancelled", 60)


def test_lines_to_the_database_are_cut_under_load_and_nothing_is_lost_or_done_twice(
    pair: tuple[Web, Web], database: Engine
) -> None:
    jobs = []
    for number in range(6):
        jobs.append(pair[number % 2].start(60))
        with database.connect() as connection:
            connection.execute(text(CUT))
    for job in jobs:
        wait_for(lambda job=job: pair[1].get(job)["state"] == "done", 120)
        assert is_whole(pair[0].follow(job))
        assert is_whole(pair[1].follow(job))
        assert len(pair[0].get(job)["items"]) == 2


def test_after_kill_9_of_the_one_that_leads_the_other_runs_what_waits_and_what_ran(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    with webs(tmp_path, postgresql.fresh(), "--running", "1") as (first, second):
        running = first.start(1_000_000)
        wait_for(lambda: second.get(running)["state"] == "running", 60)
        waiting = first.start(20)
        assert second.get(waiting)["state"] == "queued"
        first.server.process.kill()
        first.server.process.wait()
        wait_for(lambda: second.get(running)["attempt"] == 2, 60)
        wait_for(lambda: second.get(running)["state"] == "running", 60)
        second.tell(running, "cancel")
        assert is_whole(second.follow(waiting))
        assert len(second.get(waiting)["items"]) == 2
        said = [one["data"] for one in second.follow(running) if one["kind"] == "state"]
        assert "checkpoint" in next(one for one in said if one["state"] == "queued" and "error" in one)["error"]["text"]
