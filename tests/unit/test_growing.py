"""How many devices a cluster that can grow is asked for."""

from __future__ import annotations

from studio.engine.hosts.growing import Growing


def test_what_waits_asks_for_as_many_devices_as_it_fills_and_never_more_than_may_be() -> None:
    growing = Growing(most=6, least=1)
    assert growing.wanted(2, 0) == 2
    assert growing.wanted(2, 3) == 5
    assert growing.wanted(2, 25) == 6
    assert growing.wanted(0, 0) == 1, "somebody has to begin"


def test_devices_may_go_down_to_the_least_and_to_none_where_that_is_none() -> None:
    assert Growing(most=6, least=1).spare(3) == 2
    assert Growing(most=6, least=0).spare(3) == 3
    assert Growing(most=6, least=4).spare(3) == 0
    assert Growing(most=6, least=0).wanted(0, 0) == 0


def test_without_a_limit_the_cluster_is_as_large_as_it_is() -> None:
    growing = Growing(most=0, least=1)
    assert not growing.grows
    assert growing.spare(3) == 0
