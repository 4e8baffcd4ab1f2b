"""Who of those who wait goes next: caps, places, fairness and the estimate put together, on a clock of our own."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from studio.engine.caps import Caps
from studio.engine.fleet import STARTING, Device, Fleet
from studio.engine.hosts import Demand
from studio.engine.hosts.inline import InlineHost
from studio.engine.job import Job
from studio.engine.messages import Ready, Vitals
from studio.engine.options import EngineOptions
from studio.engine.roster import Roster
from studio.engine.usage import Usage
from studio.settings import Caps as CapSettings
from studio.settings import Settings
from studio.tabs.views import place_words
from tests.unit.test_caps import Nothing
from tests.unit.test_turns import Clock

NUMBERS = itertools.count()
READY = Ready("CPU", "cpu", "float32", "a test", 1, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def roster(clock: Clock, devices: int = 1, **changes: Any) -> Roster:
    settings = Settings(_env_file=None, data=Path("nowhere"), **changes)
    fleet = Fleet()
    for number in range(devices):
        fleet.add(Device(str(number + 1), "here", InlineHost(EngineOptions(Path("nowhere"))), READY))
    made = Roster(settings, Caps(settings.caps, Nothing(), lambda owners: dict.fromkeys(owners, "member")), fleet)
    made.usage = Usage(clock)
    made.estimates.learn(job("anybody", "sample"), 4.0)
    made.estimates.learn(job("anybody", "text", model="loaded"), 2.0)
    return made


def job(owner: str, kind: str = "sample", model: str = "", **request: Any) -> Job:
    number = next(NUMBERS)
    return Job(f"{owner}-{number}", owner, kind, request, model, 0, "queued", float(number))


def ask(line: Roster, *jobs: Job) -> None:
    line.queue += jobs


def hear(line: Roster, vitals: Vitals) -> None:
    """The first device says how it is."""
    line.hear(next(iter(line.fleet)), vitals)


def fill(line: Roster) -> list[str]:
    """Hands over all that may go; whose jobs went."""
    gone = []
    for of_class in (True, False):
        while (following := line.next(of_class)) is not None:
            line.begin(*following)
            gone.append(following[0].owner)
    return gone


def test_two_people_get_places_in_turn_however_many_jobs_one_has(clock: Clock) -> None:
    line = roster(clock, running=4)
    ask(line, *(job("hog") for _ in range(8)), job("quiet"), job("quiet"))
    assert sorted(fill(line)) == ["hog", "hog", "quiet", "quiet"]


def test_nobody_has_the_last_place_too_so_that_whoever_comes_begins_at_once(clock: Clock) -> None:
    line = roster(clock, running=4)
    ask(line, *(job("hog") for _ in range(8)))
    assert fill(line) == ["hog"] * 3
    ask(line, job("quiet"))
    assert line.place(line.queue[-1].id).ahead_seconds == 0  # type: ignore[union-attr]
    assert fill(line) == ["quiet"]


def test_whoever_used_much_lately_waits_longer_and_is_forgiven_with_time(clock: Clock) -> None:
    line = roster(clock, running=1)
    line.usage._lately.add("ann", 100, at=0)
    line.usage._lately.add("bob", 60, at=0)
    ask(line, job("ann"), job("bob"))
    assert [one.owner for one in line.ordered(True)] == ["bob", "ann"]
    clock.now = 3600
    line.usage._lately.add("bob", 20, at=3600)
    assert [one.owner for one in line.ordered(True)] == ["ann", "bob"]


def test_a_loaded_model_goes_first_within_its_credit(clock: Clock) -> None:
    line = roster(clock, running=1, loaded_credit=3)
    hear(line, Vitals(1, (("loaded", 1),), None, {}))
    ask(line, job("bob", "text", model="other"), *(job("ann", "text", model="loaded") for _ in range(3)))
    gone = []
    for _ in range(4):
        gone += fill(line)
        line.end(next(iter(line.inside)), 2.0)
    assert gone == ["ann", "bob", "ann", "ann"]


def test_a_cap_on_running_jobs_holds_back_only_who_has_it(clock: Clock) -> None:
    line = roster(clock, running=8, caps=CapSettings.model_validate({"member": {"running": 2}}))
    ask(line, *(job("ann") for _ in range(4)), *(job("bob") for _ in range(4)))
    assert sorted(fill(line)) == ["ann", "ann", "bob", "bob"]


def test_an_estimate_knows_what_is_left_of_those_inside_and_what_goes_before(clock: Clock) -> None:
    line = roster(clock, running=2)
    ask(line, job("ann"), job("bob"), job("carl"), job("dora"))
    fill(line)
    assert [line.place(one.id).ahead_seconds for one in line.ordered(True)] == [8, 8]  # type: ignore[union-attr]
    first, second = line.inside
    hear(line, Vitals(0, (), first, {first: 3.0, second: 1.0}))
    carl, dora = line.ordered(True)
    assert line.place(carl.id).ahead_seconds == 2  # type: ignore[union-attr]
    assert line.place(dora.id).ahead_seconds == 6  # type: ignore[union-attr]
    line.inside[first].seen["left"] = 0.5
    assert line.place(carl.id).ahead_seconds == 1  # type: ignore[union-attr]


def test_an_estimate_counts_the_share_of_training_and_training_counts_the_others(clock: Clock) -> None:
    line = roster(clock, running=2, training_share=0.2)
    ask(line, job("t", "training", seconds=100), job("t", "training", seconds=30), job("ann"), job("bob"), job("carl"))
    fill(line)
    carl, training = line.ordered(True)[0], line.ordered(False)[0]
    assert line.place(carl.id).ahead_seconds == pytest.approx(8 / 0.8)  # type: ignore[union-attr]
    assert line.place(training.id).ahead_seconds == pytest.approx(108)  # type: ignore[union-attr]


def test_nothing_is_promised_of_a_kind_that_nobody_has_seen(clock: Clock) -> None:
    line = roster(clock, running=1)
    ask(line, job("ann", "style"), job("bob"))
    fill(line)
    assert line.place(line.queue[0].id).ahead_seconds is None  # type: ignore[union-attr]
    assert line.place("nobody") is None


def test_a_job_that_takes_longer_than_usual_is_not_said_to_end_at_once(clock: Clock) -> None:
    line = roster(clock, running=1)
    ask(line, job("ann"), job("bob"))
    fill(line)
    inside = next(iter(line.inside))
    hear(line, Vitals(0, (), inside, {inside: 40.0}))
    assert line.place(line.queue[0].id).ahead_seconds == 10  # type: ignore[union-attr]


def waits(first_come: bool, hog: int, clock: Clock) -> list[float]:
    """How long a quiet person waits for the end of a two-second job every ten seconds while a hog keeps ``hog`` jobs in
    the line; inside, owners share the device evenly, as the lease has it."""
    line = roster(clock)
    line.estimates.learn(job("anybody"), 2.0)
    asked: dict[str, float] = {}
    left: dict[str, float] = {}
    waited = []
    for tick in range(6000):
        clock.now = tick / 20
        while sum(one.owner == "hog" for one in [*line.queue, *(i.job for i in line.inside.values())]) < hog:
            ask(line, job("hog"))
        if tick % 200 == 0:
            ask(line, job("quiet"))
            asked[line.queue[-1].id] = clock.now
        if first_come:
            while line.queue and len(line.inside) < 4:
                line.begin(line.queue[0], "1")
        fill(line)
        for name in line.inside:
            left.setdefault(name, 2.0)
        owners = [] if first_come else {one.job.owner for one in line.inside.values()}
        for name, inside in list(line.inside.items()):
            mates = sum(one.job.owner == inside.job.owner for one in line.inside.values())
            left[name] -= 0.05 / (len(owners) * mates if owners else len(line.inside))
            if left[name] <= 0:
                line.end(name, 2.0)
                if name in asked:
                    waited.append(clock.now - asked[name])
    return sorted(waited)


def test_one_person_with_eight_times_the_load_makes_others_wait_little(clock: Clock) -> None:
    alone, beside, first_come = waits(False, 0, Clock()), waits(False, 8, Clock()), waits(True, 8, Clock())
    assert beside[int(0.95 * len(beside))] <= 2 * alone[int(0.95 * len(alone))] + 0.2
    assert first_come[int(0.95 * len(first_come))] > 2 * beside[int(0.95 * len(beside))]


def test_who_waits_because_of_a_cap_is_told_which_and_when_it_frees(clock: Clock) -> None:
    line = roster(clock, running=8, caps={"member": {"running": 1, "device_minutes": 1}})
    first, second = job("ann"), job("ann")
    ask(line, first, second)
    assert fill(line) == ["ann"]
    place = line.place(second.id)
    assert place is not None
    assert place.ahead_seconds is None
    words = place_words(place, "sample", "en")
    assert words.startswith("1 of your jobs are running, and 1 is the cap of your role, Member.")
    assert place_words(place, "sample", "zh").startswith("你有 1 个任务正在运行")
    line.end(first.id, 0.0)
    assert line.place(second.id).held is None  # type: ignore[union-attr]


def test_a_training_whose_owner_has_no_device_minutes_left_says_so_while_it_waits(clock: Clock) -> None:
    line = roster(clock, running=8, caps={"member": {"device_minutes": 1}})
    waiting = job("ann", "training")
    ask(line, waiting)
    earlier = job("ann", "training")
    line.usage.begins(earlier)
    clock.now += 61
    line.usage.book(earlier, 61.0)
    assert fill(line) == []
    words = place_words(line.place(waiting.id), "training", "en")
    assert words.startswith("You have used 1 minutes of the device in 24 hours, and 1 is the cap of your role, Member.")


def test_more_devices_are_of_use_for_what_waits_each_with_places_of_either_class(clock: Clock) -> None:
    line = roster(clock, running=4)
    assert line.demand() == Demand(0, 0)
    ask(line, job("anna", "training"))
    assert line.demand() == Demand(1, 1)
    ask(line, job("anna", "training"), job("ben", "training"), *(job(f"person {number}") for number in range(5)))
    assert line.demand() == Demand(8, 2), "two trainings each, and four that somebody waits for"


def test_what_a_cap_holds_back_is_no_reason_for_more_devices(clock: Clock) -> None:
    line = roster(clock, caps=CapSettings.model_validate({"member": {"running": 1}}))
    ask(line, *(job("hog", "training") for _ in range(9)))
    assert line.demand() == Demand(1, 1)


def test_a_device_that_is_being_started_is_counted_on_unless_it_goes_or_takes_long(clock: Clock) -> None:
    line = roster(clock, running=4)
    device = next(iter(line.fleet))
    device.ready = None
    ask(line, *(job("anna", "training") for _ in range(3)))
    assert line.demand() == Demand(3, 1)
    device.leaving = True
    assert line.demand() == Demand(3, 2)
    device.leaving = False
    device.heard -= 2 * STARTING
    assert line.demand() == Demand(3, 2)
