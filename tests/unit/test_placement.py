"""Where a job goes among several devices, on made-up fleets; and several real ones in one studio."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipelines.errors import StudioError
from studio.engine.fleet import Device, Fleet
from studio.engine.hosts.inline import InlineHost
from studio.engine.hosts.local import VISIBLE, local_hosts, visible_gpus
from studio.engine.messages import Vitals
from studio.engine.options import EngineOptions
from studio.engine.placement import Load, device_for, open_to
from tests.studios import OWNER, endless_training, follow, open_in, settings, wait_for, wait_state
from tests.unit.test_roster import ask, fill, job, roster
from tests.unit.test_turns import Clock

LOADED = frozenset({"", "m"})


def test_an_interactive_job_goes_where_least_is_to_be_done() -> None:
    assert device_for(True, "", [Load("a", work=3.0, interactive=1), Load("b", work=1.0, interactive=2)], 10) == "b"


def test_a_device_that_has_the_model_is_preferred_for_as_long_as_that_is_worth_it() -> None:
    busy = [Load("a", models=LOADED, work=9.0, interactive=3), Load("b")]
    assert device_for(True, "m", busy, 10) == "a"
    assert device_for(True, "m", [Load("a", models=LOADED, work=11.0, interactive=3), Load("b")], 10) == "b"
    assert device_for(True, "other", busy, 10) == "b"


def test_trainings_are_spread_before_anything_else_counts() -> None:
    fleet = [Load("a", models=LOADED, trainings=1), Load("b", work=30.0, interactive=2)]
    assert device_for(False, "m", fleet, 10) == "b"
    assert device_for(False, "m", [Load("a", trainings=1), Load("b", models=LOADED, trainings=1)], 10) == "b"


def test_a_full_a_drained_or_a_starting_device_takes_nothing() -> None:
    fleet = [Load("full", interactive=2, trainings=1), Load("drained", takes=False), Load("free", trainings=2)]
    assert [load.device for load in open_to(fleet, True, 2)] == ["free"]
    assert [load.device for load in open_to(fleet, False, 2)] == ["full"]


def test_each_device_has_places_of_its_own_and_the_very_last_is_nobodys_who_has_all_others() -> None:
    line = roster(Clock(), devices=3, running=2, caps={"member": {"running": 0}})
    ask(line, *(job("hog") for _ in range(9)))
    assert fill(line) == ["hog"] * 5
    assert Counter(one.device for one in line.inside.values()) == {"1": 2, "2": 2, "3": 1}
    ask(line, job("quiet"))
    assert fill(line) == ["quiet"]


def test_what_somebody_used_on_one_device_counts_on_all() -> None:
    line = roster(Clock(), devices=2, running=1)
    ask(line, job("ann"))
    fill(line)
    first = next(iter(line.inside.values()))
    device = line.fleet.get(first.device)
    assert device is not None
    line.hear(device, Vitals(0, (), first.job.id, {first.job.id: 60.0}))
    ask(line, job("ann"), job("bob"))
    assert fill(line) == ["bob"]


def test_trainings_of_one_person_land_on_a_device_each() -> None:
    line = roster(Clock(), devices=4, running=4, caps={"member": {"running": 0}})
    ask(line, *(job("ann", "training") for _ in range(4)))
    fill(line)
    assert {one.device for one in line.inside.values()} == {"1", "2", "3", "4"}


def test_what_is_promised_counts_the_places_of_all_devices() -> None:
    waits = []
    for devices in (1, 2):
        line = roster(Clock(), devices=devices, running=2)
        ask(line, *(job(f"{n}") for n in range(2 * devices)))
        fill(line)
        ask(line, *(job("ann") for _ in range(2)))
        waits.append(line.place(line.queue[-1].id).ahead_seconds)  # type: ignore[union-attr]
    assert waits == [8.0, 8.0]  # twice the places, twice the jobs before, twice the devices
    line = roster(Clock(), devices=2, running=1)
    ask(line, job("ann"), job("bob"), job("carl"))
    fill(line)
    assert line.place(line.queue[0].id).ahead_seconds == 4.0  # type: ignore[union-attr]


def test_a_device_that_is_being_drained_gets_nothing_new() -> None:
    line = roster(Clock(), devices=2, running=4)
    drained = line.fleet.get("1")
    assert drained is not None
    drained.draining = True
    ask(line, *(job(f"{n}") for n in range(3)))
    fill(line)
    assert {one.device for one in line.inside.values()} == {"2"}
    assert [device.draining for device in line.status(False).devices] == [True, False]


def test_a_fleet_says_where_a_job_is_by_what_its_device_says() -> None:
    fleet = Fleet()
    for name in ("a", "b"):
        fleet.add(Device(name, "here", InlineHost(EngineOptions(Path("nowhere")))))
    second = fleet.get("b")
    assert second is not None
    second.vitals = Vitals(0, (), "job", {"job": 3.0})
    assert fleet.holds("job")
    assert fleet.taking == 0, "none has said that it is up"


def test_as_many_workers_as_asked_for_and_never_more_than_there_are_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, "0, 3")
    assert visible_gpus() == ["0", "3"]
    hosts = local_hosts(settings(tmp_path), EngineOptions(tmp_path)).hosts
    assert [host._environment for host in hosts.values()] == [{VISIBLE: "0"}, {VISIBLE: "3"}]  # type: ignore[attr-defined]
    assert len(local_hosts(settings(tmp_path, devices=3, device="cpu"), EngineOptions(tmp_path)).hosts) == 3
    with pytest.raises(StudioError, match="--devices is 3, and 2 GPUs can be seen here"):
        local_hosts(settings(tmp_path, devices=3), EngineOptions(tmp_path))


def test_two_trainings_run_on_two_devices_and_a_drained_one_keeps_what_it_has(tmp_path: Path) -> None:
    studio = open_in(tmp_path, devices=2)
    wait_for(lambda: all(one.worker == "ready" and one.device for one in studio.jobs.status().devices))
    first, second = (studio.jobs.submit(OWNER, "training", endless_training(seed=seed)) for seed in (1, 2))
    for one in (first, second):
        follow(studio, one, stop=lambda event: event.kind == "metrics")
    where = {one.job_id: one.device for one in studio.jobs.status().running}
    assert sorted(where.values()) == ["1", "2"]
    studio.jobs.drain_device(where[first.id], True)
    third = studio.jobs.submit(OWNER, "training", endless_training(seed=3))
    follow(studio, third, stop=lambda event: event.kind == "metrics")
    assert {one.job_id: one.device for one in studio.jobs.status().running}[third.id] == where[second.id]
    assert studio.jobs.get(OWNER, first.id).state == "running"
    with pytest.raises(StudioError, match="There is no device 7; there are 1, 2"):
        studio.jobs.drain_device("7", True)
    studio.close()
    studio = open_in(tmp_path, devices=2)
    assert {one.name: one.draining for one in studio.jobs.status().devices}[where[first.id]], "also after a restart"
    for one in (first, second, third):
        studio.jobs.resume(OWNER, one.id)
        follow(studio, one, stop=lambda event: event.kind == "mark")
        studio.jobs.cancel(OWNER, one.id)
        wait_state(studio, one, "cancelled")
    studio.close()
