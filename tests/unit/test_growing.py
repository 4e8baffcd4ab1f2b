"""How many devices a cluster that can grow is asked for."""

from __future__ import annotations

from studio.engine.hosts.growing import CALM_SECONDS, Growing
from tests.unit.test_turns import Clock


def test_what_waits_asks_for_as_many_devices_as_it_fills_and_never_more_than_may_be() -> None:
    growing = Growing(6, 4, Clock())
    assert growing.wanted(2, 0) == 2
    assert growing.wanted(2, 1) == 3
    assert growing.wanted(2, 9) == 5
    assert growing.wanted(2, 100) == 6
    assert growing.wanted(0, 0) == 1, "somebody has to begin"


def test_devices_are_given_back_only_after_nothing_has_waited_for_a_while() -> None:
    clock = Clock()
    growing = Growing(6, 4, clock)
    clock.now = CALM_SECONDS - 1
    assert not growing.calm
    growing.wanted(2, 3)
    clock.now = CALM_SECONDS + 1
    assert not growing.calm
    clock.now = 2 * CALM_SECONDS
    growing.wanted(2, 0)
    assert growing.calm


def test_without_a_limit_the_cluster_is_as_large_as_it_is() -> None:
    assert not Growing(0, 4, Clock()).grows
