"""What counts as a sign of life of a worker, what its death is called, and how often a training begins anew."""

from __future__ import annotations

import signal

from studio.engine.hosts import Loss
from studio.engine.hosts.process import _loss
from studio.engine.hosts.watch import STARTING, Watch
from studio.engine.messages import Emitted, Ready, Vitals
from studio.engine.recovery import MOST, Recovery, sentence_of
from tests.unit.test_turns import Clock

READY = Ready("CPU", "cpu", "float32", "a test", 1, 1)


def vitals(holder: str | None, beats: int) -> Vitals:
    return Vitals(0, (), holder, {}, beats)


def watching(patience: float = 10) -> tuple[Watch, Clock]:
    clock = Clock()
    watch = Watch(patience, clock)
    watch.hear(READY)
    return watch, clock


def test_a_job_that_takes_no_step_for_too_long_hangs_although_the_worker_still_speaks() -> None:
    watch, clock = watching()
    for _ in range(11):
        watch.hear(vitals("a", 7))
        assert not watch.hung
        clock.now += 1
    watch.hear(vitals("a", 7))
    assert watch.hung


def test_steps_a_change_of_holder_and_words_of_the_holder_are_life() -> None:
    watch, clock = watching()
    for message in (vitals("a", 1), vitals("a", 2), vitals("b", 2), Emitted("b", "progress", {"stage": "loading"})):
        watch.hear(message)
        clock.now += 9
        assert not watch.hung


def test_words_of_somebody_else_are_no_life_of_the_holder() -> None:
    watch, clock = watching()
    watch.hear(vitals("a", 1))
    clock.now += 11
    watch.hear(Emitted("b", "progress", {"stage": "fetching"}))
    assert watch.hung


def test_an_idle_device_may_rest_and_a_silent_worker_may_not() -> None:
    watch, clock = watching()
    for _ in range(30):
        watch.hear(vitals(None, 1))
        clock.now += 1
        assert not watch.hung
    clock.now += 10
    assert watch.hung


def test_a_start_may_take_longer_and_what_nobody_listened_to_is_excused() -> None:
    clock = Clock()
    watch = Watch(10, clock)
    clock.now = STARTING - 1
    assert not watch.hung
    watch.hear(READY)
    clock.now += 60
    watch.excuse(60)
    assert not watch.hung
    assert not Watch(0, clock).hung, "no patience set is all the patience there is"


def test_each_death_has_its_own_words() -> None:
    assert _loss(-signal.SIGKILL) == Loss("killed", "signal 9, SIGKILL")
    assert _loss(-signal.SIGSEGV) == Loss("ended", "signal 11, SIGSEGV")
    assert _loss(3) == Loss("ended", "exit code 3")
    said = [str(sentence_of(loss).as_error()) for loss in (_loss(-9), _loss(3), Loss("hung", "300"))]
    assert "memory ran out" in said[0]
    assert "exit code 3" in said[1]
    assert "no sign of life for 300 seconds" in said[2]


def test_a_training_begins_again_by_itself_only_so_often_without_getting_on() -> None:
    recovery = Recovery()
    recovery.reached("a", 100)
    for _ in range(MOST):
        assert recovery.again("a")
        recovery.reached("a", 100)  # the steps that it did before
    assert not recovery.again("a")
    recovery.reached("a", 101)
    assert recovery.again("a")
    assert recovery.again("b"), "each training by itself"
