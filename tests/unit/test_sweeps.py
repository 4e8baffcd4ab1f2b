"""Several runs of one training at once: what they are, that all begin or none, and how they are ranked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import Busy, StudioError
from pipelines.training import watcher
from studio.engine.siblings import MOST, differences, runs_of
from studio.services import Studio
from studio.sweeps import Sweeps, begin
from studio.tabs.rivals import Rivals
from tests.studios import OWNER, endless_training, follow, open_in, small_training, wait_for, wait_state

PLAIN = {"recipe": "r1", "dataset": "mnist"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = open_in(tmp_path_factory.mktemp("studio"), devices=2)
    wait_for(lambda: all(device.device for device in opened.jobs.status().devices))
    yield opened
    opened.close()


def test_seeds_follow_each_other_and_each_value_has_the_same() -> None:
    runs = runs_of({**PLAIN, "seed": 7}, 2, "learning_rate", ["0.001", "0.002"])
    assert [(run["learning_rate"], run["seed"]) for run in runs] == [(0.001, 7), (0.001, 8), (0.002, 7), (0.002, 8)]
    assert len({run["sweep"] for run in runs}) == 1
    assert {run["varied"] for run in runs} == {"learning_rate"}
    fresh = runs_of(PLAIN, 3)
    assert len({run["seed"] for run in fresh}) == 3
    assert all(run["seed"] >= 0 for run in fresh)


def test_one_run_is_no_sweep() -> None:
    assert runs_of(PLAIN) == [PLAIN]
    assert runs_of(PLAIN, 1, "learning_rate", ["0.01", "0.010"]) == [{**PLAIN, "learning_rate": 0.01}]


def test_what_cannot_be_swept_says_so() -> None:
    with pytest.raises(StudioError, match=f"1 to {MOST} runs; 3 seeds of 3 values would be 9"):
        runs_of(PLAIN, 3, "learning_rate", [0.1, 0.01, 0.001])
    with pytest.raises(StudioError, match="0 seeds"):
        runs_of(PLAIN, 0)
    with pytest.raises(StudioError, match=r"beta is no setting of the recipe r1 .* there are augment, averaging, "):
        runs_of(PLAIN, 1, "beta", [1])
    with pytest.raises(StudioError, match="Say which values of learning_rate"):
        runs_of(PLAIN, 1, "learning_rate", [])
    with pytest.raises(StudioError, match="learning_rate"):
        runs_of(PLAIN, 1, "learning_rate", ["quick"])


def test_runs_are_called_by_what_each_has_of_its_own() -> None:
    assert differences(runs_of({**PLAIN, "seed": 1}, 2)) == [{"seed": 1}, {"seed": 2}]
    assert differences(runs_of(PLAIN, 1, "batch", [8, 16])) == [{"batch": 8}, {"batch": 16}]
    assert differences(runs_of({**PLAIN, "seed": 1}, 2, "batch", [8, 16]))[1] == {"batch": 8, "seed": 2}


def test_a_sweep_runs_on_all_devices_and_is_ranked_by_its_figures(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MEASURE_FIRST", 0)
    jobs = begin(studio, OWNER, runs_of(small_training(steps=40), 2, "learning_rate", ["0.001", "0.004"]))
    for job in jobs:
        follow(studio, job)
    assert {studio.jobs.get(OWNER, job.id).device for job in jobs} == {"1", "2"}
    rows = Sweeps(studio).rows(OWNER, jobs[0].request["sweep"])
    assert {row["job"] for row in rows} == {job.id for job in jobs}
    assert [row["state"] for row in rows] == ["done"] * 4
    figures = [row["frechet"] for row in rows]
    assert None not in figures
    assert figures == sorted(figures)
    assert all(row["best"] <= row["frechet"] for row in rows)
    assert rows[0]["differs"].keys() == {"learning_rate", "seed"}
    with pytest.raises(StudioError, match="There is no sweep"):
        Sweeps(studio).rows("bob", jobs[0].request["sweep"])


def test_where_one_run_is_refused_none_is_left(tmp_path: Path) -> None:
    small = open_in(tmp_path, running=1, waiting_each=2)
    first = small.jobs.submit(OWNER, "training", endless_training())
    follow(small, first, stop=lambda event: event.kind == "metrics")
    with pytest.raises(Busy, match="4 jobs at once, and none of them was begun: 2 of yours may wait"):
        begin(small, OWNER, runs_of(endless_training(), 4))
    assert [job.id for job in small.jobs.list(OWNER)] == [first.id]
    small.jobs.cancel(OWNER, first.id)
    wait_state(small, first, "cancelled")
    small.close()


def test_a_person_whose_role_lets_fewer_wait_gets_one_answer_for_all(tmp_path: Path) -> None:
    studio = open_in(tmp_path, devices=2, caps={"administrator": {"waiting": 3}})
    with pytest.raises(Busy, match="the cap of your role, administrator, lets 3 wait at a time, and 0 wait already"):
        begin(studio, OWNER, runs_of(endless_training(), 4))
    assert studio.jobs.list(OWNER) == []
    jobs = begin(studio, OWNER, runs_of(small_training(steps=2), 3), ends_with_page=True)
    assert all(job.ends_with_page for job in jobs)
    for job in jobs:
        wait_state(studio, job, "done")
    studio.close()


def test_where_the_whole_studio_is_full_a_sweep_is_refused_whole(tmp_path: Path) -> None:
    studio = open_in(tmp_path, waiting=3)
    with pytest.raises(Busy, match="this studio lets 3 wait, and 0 wait already"):
        begin(studio, OWNER, runs_of(endless_training(), 4))
    assert studio.jobs.list(OWNER) == []
    studio.close()


def test_two_recipes_side_by_side_begin_both_or_neither(tmp_path: Path) -> None:
    studio = open_in(tmp_path, waiting_each=1)
    requests = Rivals().beside(small_training(steps=2), "vae")
    rival, own = requests
    assert (requests[own]["beside"], requests[rival]["recipe"]) == (rival, "vae")
    with pytest.raises(Busy, match="2 jobs at once, and none of them was begun: 1 of yours may wait"):
        studio.submit_all(OWNER, "training", requests)
    assert studio.jobs.list(OWNER) == []
    studio.close()
    roomy = open_in(tmp_path, waiting_each=2)
    jobs = roomy.submit_all(OWNER, "training", requests)
    assert [job.id for job in jobs] == [rival, own]
    for job in jobs:
        wait_state(roomy, job, "done")
    roomy.close()
