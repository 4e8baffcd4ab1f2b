"""The lease, alone: who holds the device, who goes next, and what a cancel or a pause does to whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from pipelines.base import Cancelled
from studio.engine.turns import Hold, Lease


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker(threading.Thread):
    """A job that takes ``steps`` turns of ``seconds`` on a shared clock and writes its name at each."""

    def __init__(
        self, lease: Lease, hold: Hold, log: list[str], clock: Clock, steps: int, seconds: float = 1.0
    ) -> None:
        super().__init__(daemon=True)
        self.lease, self.hold, self.log, self.clock, self.steps, self.seconds = lease, hold, log, clock, steps, seconds
        self.cancelled = False

    def run(self) -> None:
        try:
            self.lease.take(self.hold)
            for _ in range(self.steps):
                self.log.append(self.hold.job_id)
                self.clock.now += self.seconds
                self.lease.checkpoint(self.hold)
        except Cancelled:
            self.cancelled = True
        finally:
            self.lease.leave(self.hold)


def run_together(lease: Lease, clock: Clock, *jobs: tuple[str, str, bool, int]) -> list[str]:
    """Lines everybody up behind a first holder, so that the order is the lease's and not the thread scheduler's."""
    log: list[str] = []
    first = lease.enter("first", "nobody", True)
    lease.take(first)
    workers = [
        Worker(lease, lease.enter(job, owner, interactive), log, clock, steps)
        for job, owner, interactive, steps in jobs
    ]
    for worker in workers:
        worker.start()
        wait_until(lambda worker=worker: worker.hold.waiting)
    lease.leave(first)
    for worker in workers:
        worker.join(5)
        assert not worker.is_alive()
    return log


def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


def test_two_jobs_of_the_same_class_take_turns_step_by_step() -> None:
    clock = Clock()
    log = run_together(Lease(clock=clock), clock, ("a", "ann", True, 6), ("b", "bob", True, 6))
    assert log[:10].count("a") == log[:10].count("b") == 5


def test_turns_are_counted_in_device_seconds_and_not_in_jobs() -> None:
    clock = Clock()
    log = run_together(Lease(clock=clock), clock, ("a1", "ann", True, 8), ("a2", "ann", True, 8), ("b", "bob", True, 8))
    assert 6 <= log[:16].count("b") <= 8, "two jobs of one person would otherwise get two thirds"


def test_interactive_goes_before_training_which_keeps_its_share() -> None:
    clock = Clock()
    lease = Lease(training_share=0.2, clock=clock)
    log = run_together(lease, clock, ("train", "ann", False, 400), ("ask", "bob", True, 200))
    together = log[: len(log) - log[::-1].index("ask")]
    assert 0.18 <= together.count("train") / len(together) <= 0.3


def test_training_alone_has_the_device_for_itself() -> None:
    clock = Clock()
    lease = Lease(clock=clock)
    hold = lease.enter("train", "ann", False)
    lease.take(hold)
    for _ in range(100):
        clock.now += 0.04
        lease.checkpoint(hold)
    assert lease.holder == "train"
    assert lease.seconds(hold) == pytest.approx(4.0)


def test_a_cancel_reaches_only_the_job_it_names() -> None:
    clock, lease = Clock(), Lease()
    lease = Lease(clock=clock)
    log: list[str] = []
    keeper = lease.enter("keeper", "ann", True)
    lease.take(keeper)
    stopped = Worker(lease, lease.enter("stopped", "ann", True), log, clock, 3)
    other = Worker(lease, lease.enter("other", "ann", True), log, clock, 3)
    for worker in (stopped, other):
        worker.start()
        wait_until(lambda worker=worker: worker.hold.waiting)
    assert lease.tell("stopped", "cancel")
    stopped.join(5)
    assert stopped.cancelled
    lease.leave(keeper)
    other.join(5)
    assert not other.cancelled
    assert log == ["other"] * 3


def test_a_cancelled_waiter_leaves_nobody_asleep() -> None:
    clock = Clock()
    lease = Lease(clock=clock)
    holder = lease.enter("holder", "ann", True)
    lease.take(holder)
    log: list[str] = []
    first, second = (Worker(lease, lease.enter(name, "bob", True), log, clock, 1) for name in ("first", "second"))
    first.start()
    wait_until(lambda: first.hold.waiting)
    second.start()
    wait_until(lambda: second.hold.waiting)
    lease.tell("first", "cancel")
    lease.leave(holder)
    second.join(5)
    assert not second.is_alive()
    assert log == ["second"]


def test_a_paused_job_gives_the_device_away_and_goes_on_where_it_was() -> None:
    clock = Clock()
    told: list[tuple[str, bool]] = []
    lease = Lease(clock=clock, on_pause=lambda job, paused: told.append((job, paused)))
    log: list[str] = []
    training = lease.enter("train", "ann", False)
    lease.tell("train", "pause")
    worker = Worker(lease, training, log, clock, 3)
    worker.start()
    wait_until(lambda: told == [("train", True)])
    assert lease.holder is None
    run_together(lease, clock, ("ask", "bob", True, 2))
    lease.tell("train", "resume")
    worker.join(5)
    assert log == ["train"] * 3
    assert told == [("train", True), ("train", False)]


def test_a_paused_job_can_be_cancelled() -> None:
    lease = Lease()
    worker = Worker(lease, lease.enter("train", "ann", False), [], Clock(), 3)
    lease.tell("train", "pause")
    worker.start()
    wait_until(lambda: worker.hold.waiting)
    lease.tell("train", "cancel")
    worker.join(5)
    assert worker.cancelled


def test_an_interrupted_job_has_one_last_turn_before_everybody_else_and_is_told_with_the_device_in_hand() -> None:
    lease = Lease()
    keeper = lease.enter("keeper", "ann", True)
    lease.take(keeper)
    told: list[tuple[str, str | None]] = []

    def work(hold: Hold) -> None:
        try:
            lease.take(hold)
            told.append((hold.job_id, "took it"))
        except Cancelled:
            told.append((hold.job_id, lease.holder))
        lease.leave(hold)

    workers = []
    for name, interactive in (("ask", True), ("train", False), ("paused", False)):
        workers.append(threading.Thread(target=work, args=(lease.enter(name, name, interactive),), daemon=True))
        if name == "paused":
            lease.tell(name, "pause")
        workers[-1].start()
        wait_until(lambda name=name: lease._holds[name].waiting)
    lease.tell("train", "interrupt")
    lease.tell("paused", "interrupt")
    assert not told, "somebody else has the device"
    lease.checkpoint(keeper)
    lease.leave(keeper)
    for worker in workers:
        worker.join(5)
        assert not worker.is_alive()
    assert told == [("train", "train"), ("paused", "paused"), ("ask", "took it")]


def test_pauses_and_waits_do_not_count_as_device_time() -> None:
    clock = Clock()
    lease = Lease(clock=clock)
    hold = lease.enter("train", "ann", False)
    lease.take(hold)
    clock.now += 2
    lease.give(hold)
    clock.now += 100
    lease.take(hold)
    clock.now += 1
    assert lease.seconds(hold) == pytest.approx(3.0)


def test_the_device_is_synchronised_before_it_changes_hands() -> None:
    synchronised: list[bool] = []
    lease = Lease(synchronise=lambda: synchronised.append(True))
    hold = lease.enter("a", "ann", True)
    lease.take(hold)
    lease.checkpoint(hold)
    assert not synchronised, "nobody waits, so nothing is synchronised"
    with lease.aside(hold):
        assert lease.holder is None
    assert synchronised == [True]


def test_many_jobs_never_hold_the_device_together() -> None:
    lease = Lease()
    inside, most = 0, 0

    def work(name: str) -> None:
        nonlocal inside, most
        hold = lease.enter(name, name[0], interactive=name != "t0")
        lease.take(hold)
        for _ in range(50):
            inside += 1
            most = max(most, inside)
            time.sleep(0.0001)
            inside -= 1
            lease.checkpoint(hold)
        lease.leave(hold)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a0", "a1", "b0", "t0")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert most == 1


def test_a_change_wakes_a_paused_job_for_as_long_as_it_takes_and_nobody_is_told_it_runs() -> None:
    told: list[tuple[str, bool]] = []
    lease = Lease(on_pause=lambda job, paused: told.append((job, paused)))
    hold = lease.enter("a", "ann", False)
    lease.take(hold)
    lease.tell("a", "pause")
    rested, heeded = threading.Event(), []

    def work() -> None:
        lease.checkpoint(hold)
        while changes := lease.changes(hold):
            with lease.aside(hold):  # writing a file, say
                heeded.extend(changes)
            rested.set()
            lease.checkpoint(hold)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    wait_until(lambda: hold.waiting and hold.resting)
    assert lease.steer("a", {"gamma": 2.0})
    assert rested.wait(10)
    wait_until(lambda: hold.waiting)
    assert heeded == [{"gamma": 2.0}]
    assert told == [("a", True)]
    lease.tell("a", "resume")
    worker.join(10)
    assert not worker.is_alive()
    assert told == [("a", True), ("a", False)]
    assert not lease.steer("nobody", {})
