"""A curve of any length stays small, and keeps what matters: both ends and every extreme."""

from __future__ import annotations

import math
import random
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from studio.widgets.curves import LIMIT, Curve, rounded

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def drawn(values: list[float], limit: int = LIMIT) -> Curve:
    curve = Curve(limit)
    for step, value in enumerate(values, start=1):
        curve.add(step, step / 10, value)
    return curve


@given(st.lists(finite, min_size=1, max_size=500), st.integers(min_value=8, max_value=40))
def test_extremes_and_ends_are_kept_within_the_limit(values: list[float], limit: int) -> None:
    points = drawn(values, limit).points()
    heights = [value for _, _, value in points]
    assert len(points) <= limit
    assert (max(heights), min(heights)) == (max(values), min(values))
    assert (points[0][0], points[-1][0]) == (1, len(values))
    assert points == sorted(points)


@given(st.lists(finite, min_size=1, max_size=100))
def test_every_point_is_one_that_was_measured(values: list[float]) -> None:
    assert all(values[step - 1] == value for step, _, value in drawn(values, 20).points())


def test_a_short_curve_is_kept_whole() -> None:
    assert [value for _, _, value in drawn([3.0, 1.0, 2.0]).points()] == [3.0, 1.0, 2.0]


def test_one_spike_in_a_hundred_thousand_steps_is_still_there() -> None:
    values = [1.0] * 100_000
    values[54_321] = 99.0
    points = drawn(values).points()
    assert len(points) <= LIMIT
    assert (54_322, 5432.2, 99.0) in points


def test_points_are_spread_over_the_whole_run() -> None:
    source = random.Random(1)
    steps = [step for step, _, _ in drawn([source.random() for _ in range(50_000)]).points()]
    assert max(later - earlier for earlier, later in pairwise(steps)) < 1000


def test_values_that_are_no_numbers_are_left_out() -> None:
    assert [value for _, _, value in drawn([1.0, math.nan, math.inf, 2.0]).points()] == [1.0, 2.0]


def test_going_back_voids_what_came_later() -> None:
    curve = drawn([float(step) for step in range(1, 1001)])
    curve.back_to(500)
    curve.add(500, 50.0, -1.0)
    points = curve.points()
    assert points[-1] == (500, 50.0, -1.0)
    assert max(value for _, _, value in points) < 500
    assert len(points) <= LIMIT


def test_a_curve_that_went_back_to_its_start_begins_anew() -> None:
    curve = drawn([1.0, 2.0, 3.0])
    curve.back_to(1)
    assert curve.points() == []
    curve.add(1, 0.1, 5.0)
    assert curve.points() == [(1, 0.1, 5.0)]


def test_reading_a_long_curve_is_quick() -> None:
    curve = drawn([math.sin(step / 100) for step in range(100_000)])
    begin = time.perf_counter()
    for _ in range(20):
        rounded(curve.points())
    assert (time.perf_counter() - begin) / 20 < 0.02


def test_numbers_are_sent_with_as_many_digits_as_a_screen_shows() -> None:
    assert rounded([(7, 1.23456, 0.0012345678)]) == [[7, 1.23, 0.001235]]
