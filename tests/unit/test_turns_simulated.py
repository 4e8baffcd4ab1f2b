"""The lease in virtual time, in every order a seed can think of: who waits how long, and nobody sleeps for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.base import Cancelled
from studio.engine.turns import AHEAD, BEHIND, LEAD, Hold, Lease
from tests.unit.virtual import AsleepError, VirtualCondition, World

SHARE = 0.15


@dataclass
class Asked:
    """A job as a person asks for it: ``steps`` of ``seconds`` each, with some time ``aside`` after every fifth."""

    owner: str
    interactive: bool
    at: float
    steps: int
    seconds: float
    aside: float = 0.0


@dataclass
class Told:
    at: float
    job: int
    what: str


@dataclass
class Simulation:
    """Runs jobs on a real lease and checks at every moment that one holds it, and that it is not left lying."""

    seed: int
    jobs: list[Asked]
    tells: list[Told] = field(default_factory=list)
    share: float = SHARE

    def __post_init__(self) -> None:
        self.world = World(self.seed, self.look)
        self.lease = Lease(self.share, clock=self.world.clock, changed=VirtualCondition(self.world))  # type: ignore[arg-type]
        self.inside: list[str] = []
        self.spells: list[tuple[str, float, float]] = []  # job, from, until
        self.ends: dict[str, str] = {}
        self.holds: dict[str, Hold] = {}

    def run(self) -> Simulation:
        for number, job in enumerate(self.jobs):
            self.world.spawn(self.work, str(number), job, at=job.at)
        for told in self.tells:
            self.world.spawn(self.lease.tell, str(told.job), told.what, at=told.at)
        for number in range(len(self.jobs)):  # nobody stays paused for ever
            self.world.spawn(self.lease.tell, str(number), "resume", at=1e6)
        self.world.run()
        return self

    def look(self) -> None:
        idle = self.lease._holder is None
        assert not (idle and any(hold.in_line for hold in self.holds.values())), "idle with work waiting"

    def work(self, name: str, job: Asked) -> None:
        hold = self.holds[name] = self.lease.enter(name, job.owner, job.interactive)
        try:
            self.lease.take(hold)
            for step in range(job.steps):
                self.step(name, job.seconds)
                if job.aside and step % 5 == 4:
                    with self.lease.aside(hold):
                        self.world.sleep(job.aside)
                self.lease.checkpoint(hold)
            self.ends[name] = "done"
        except Cancelled:
            self.ends[name] = "cancelled"
        finally:
            self.lease.leave(hold)
            del self.holds[name]

    def step(self, name: str, seconds: float) -> None:
        self.inside.append(name)
        assert self.inside == [name], "two hold the device"
        began = self.world.now
        self.world.sleep(seconds)
        self.spells.append((name, began, self.world.now))
        self.inside.remove(name)

    def of_owner(self, owner: str) -> list[tuple[float, float]]:
        return [(a, b) for name, a, b in self.spells if self.jobs[int(name)].owner == owner]

    def seconds(self, jobs: set[str], begin: float, end: float) -> float:
        return sum(max(0.0, min(b, end) - max(a, begin)) for name, a, b in self.spells if name in jobs)


lengths = st.sampled_from([0.005, 0.02, 0.05, 0.3])
longer = st.sampled_from([0.02, 0.05, 0.3])
asked = st.builds(
    Asked,
    st.sampled_from("abcd"),
    st.booleans(),
    st.floats(0, 2),
    st.integers(1, 15),
    lengths,
    st.sampled_from([0, 0, 0.01, 0.5]),
)
told = st.builds(
    Told, st.floats(0, 4), st.integers(0, 7), st.sampled_from(["cancel", "pause", "resume", "finish", "interrupt"])
)
seeds = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(seeds, st.lists(asked, min_size=1, max_size=8), st.lists(told, max_size=12), st.sampled_from([0.0, SHARE, 1.0]))
def test_one_holds_it_never_lies_idle_and_nobody_is_left_asleep(
    seed: int, jobs: list[Asked], tells: list[Told], share: float
) -> None:
    run = Simulation(seed, jobs, tells, share).run()
    ended = {str(one.job) for one in tells if one.what in ("cancel", "interrupt")}
    assert run.ends.keys() == {str(number) for number in range(len(jobs))}
    assert {name for name, end in run.ends.items() if end == "cancelled"} <= ended, "only those who were told"
    whole = sum(job.steps * job.seconds for number, job in enumerate(jobs) if run.ends[str(number)] == "done")
    done = {name for name, end in run.ends.items() if end == "done"}
    assert run.seconds(done, 0, 1e9) == pytest.approx(whole)
    assert run.lease._holder is None


@settings(max_examples=15, deadline=None)
@given(seeds, st.lists(st.tuples(st.floats(0, 9), longer), min_size=1, max_size=4), st.booleans(), st.integers(1, 3))
@example(0, [(9.0, 0.02), (9.0, 0.02), (9.0, 0.02), (9.0, 0.3)], False, 1)
def test_nobody_who_is_at_work_stands_still_for_long_whoever_comes(
    seed: int, others: list[tuple[float, float]], training: bool, each: int
) -> None:
    """One person works all the time. Others come, each with one to three jobs, and stay a while."""
    step = 0.05
    people = [("first", 0.0, step, 1), *((f"o{n}", at, seconds, each) for n, (at, seconds) in enumerate(others))]
    jobs = [
        Asked(owner, True, at, round(2.4 / seconds / count), seconds)
        for owner, at, seconds, count in people
        for _ in range(count)
    ]
    jobs[0].steps = round(12 / step)
    if training:
        jobs.append(Asked("trainer", False, 0.0, 100, step))
    run = Simulation(seed, jobs).run()
    mine = run.of_owner("first")
    gaps = [begin - end for (_, end), (begin, _) in pairwise(mine)]
    longest = max(seconds for _, _, seconds, _ in people)
    assert max(gaps) <= (len(others) * (LEAD + 2 * longest) + 2 * step) / (1 - SHARE) + 1e-6


@settings(max_examples=15, deadline=None)
@given(seeds, st.lists(st.tuples(st.floats(0, 5), longer), min_size=1, max_size=4), longer)
def test_training_is_never_under_its_floor_while_it_wants_the_device(
    seed: int, others: list[tuple[float, float]], step: float
) -> None:
    jobs = [Asked("trainer", False, 0.0, round(3 / step), step)]
    jobs += [Asked(f"o{n}", True, at, round(5 / seconds), seconds) for n, (at, seconds) in enumerate(others)]
    run = Simulation(seed, jobs).run()
    end = max(until for name, _, until in run.spells if name == "0")
    longest = max(step, *(seconds for _, seconds in others))
    begin = 0.0
    while begin + 5 <= end:
        kept = run.seconds({"0"}, begin, begin + 5)
        assert kept >= SHARE * 5 - AHEAD - 2 * longest, f"{kept:.2f} of 5 s from {begin:.1f}"
        begin += 0.5
    assert run.seconds({"0"}, 0, end) >= 0.9 * SHARE * end - longest


def test_what_a_training_lends_out_to_draw_or_to_save_is_not_taken_from_its_floor_nor_caught_up_on_at_length() -> None:
    for aside, kept in ((0.1, 0.98), (20.0, 0.0)):
        jobs = [Asked("trainer", False, 0.0, 60, 0.05, aside), Asked("ann", True, 0.0, 600, 0.02)]
        run = Simulation(1, jobs).run()
        end = min(run.spells[-1][1], run.of_owner("ann")[-1][1], run.of_owner("trainer")[-1][1])
        assert run.seconds({"0"}, 0, end) >= kept * SHARE * end - 0.05
        mine = run.of_owner("ann")
        assert max(begin - until for (_, until), (begin, _) in pairwise(mine)) <= BEHIND / (1 - SHARE) + 2 * 0.05


def test_eight_jobs_of_one_person_get_no_more_of_the_device_than_one_of_anothers() -> None:
    jobs = [Asked("hog", True, 0.0, 200, 0.02) for _ in range(8)] + [Asked("quiet", True, 1.0, 200, 0.02)]
    run = Simulation(1, jobs).run()
    end = run.of_owner("quiet")[-1][1]
    assert run.seconds({"8"}, 1.0, end) == pytest.approx((end - 1.0) / 2, abs=LEAD / 2 + 0.05)


def test_the_simulation_notices_a_lost_wake_up() -> None:
    """A lease that forgets to wake the others after a cancel: what the tests above are for."""

    class Forgetful(Lease):
        def _let_go(self, hold: Hold) -> None:
            if self._holder is hold:
                self._account()
                self._holder = None

    run = Simulation(3, [Asked("a", True, 0, 5, 0.1), Asked("b", True, 0, 5, 0.1)])
    run.lease = Forgetful(clock=run.world.clock, changed=VirtualCondition(run.world))  # type: ignore[arg-type]
    with pytest.raises((AsleepError, AssertionError)):
        run.run()
