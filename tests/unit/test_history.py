"""Curves put together from events: nothing is lost of a short one, and of a long one no end and no extreme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studio.engine.history import History, SampleGrid, samples_of
from studio.engine.job import Numbered

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def metrics(seq: int, steps: Sequence[int], **series: Sequence[float]) -> Numbered:
    data = {"steps": list(steps), "seconds": [step / 10 for step in steps], "series": dict(series), "rate": 1.0}
    return Numbered(seq, 0.0, "metrics", data)


def mark(seq: int, step: int) -> Numbered:
    return Numbered(seq, 0.0, "mark", {"step": step, "seconds": step / 10, "text": f"at {step}"})


def drawn(history: History, limit: int, name: str = "a") -> list[tuple[int, float]]:
    rows = history.thinned(limit)
    return [(history.steps[row], history.series[name][row]) for row in rows]


def long(values: Sequence[float], **more: Sequence[float]) -> History:
    return History([metrics(1, range(1, len(values) + 1), a=values, **more)])


def test_rows_of_several_events_stand_one_below_the_other() -> None:
    history = History([metrics(1, [1, 2], a=[0.5, 0.25]), mark(2, 2), metrics(3, [3], a=[0.125])])
    assert (list(history.steps), list(history.seconds)) == ([1, 2, 3], [0.1, 0.2, 0.3])
    assert list(history.series["a"]) == [0.5, 0.25, 0.125]
    assert [one["text"] for one in history.marks] == ["at 2"]
    assert (history.last, history.begins) == (3, 1)


def test_going_back_voids_what_came_later_but_not_what_was_marked() -> None:
    history = History([metrics(1, range(1, 11), a=range(1, 11)), mark(2, 9), metrics(3, [5], a=[-1.0])])
    assert list(history.steps) == [1, 2, 3, 4, 5]
    assert list(history.series["a"]) == [1, 2, 3, 4, -1]
    assert len(history.marks) == 1


def test_a_training_that_was_sent_back_is_shorter_at_once_and_says_so_to_who_had_more() -> None:
    back = Numbered(2, 0.0, "mark", {"step": 4, "seconds": 0.4, "text": "rewound", "key": "rewound"})
    assert list(History([metrics(1, range(1, 11), a=range(1, 11)), back]).steps) == [1, 2, 3, 4]
    assert (History([back]).begins, len(History([back]))) == (5, 0)


def test_no_news_is_not_the_beginning() -> None:
    assert History([], last=7).last == 7


def test_rows_after_an_event_say_from_which_step_the_earlier_ones_are_void() -> None:
    news = History([metrics(7, [11, 12], a=[1, 2]), metrics(8, [5, 6], a=[3, 4]), metrics(9, [7], a=[5])])
    assert (list(news.steps), news.begins) == ([5, 6, 7], 5)
    assert History([mark(4, 3)]).begins is None


def test_a_series_that_comes_later_or_now_and_then_has_no_value_elsewhere() -> None:
    history = History([metrics(1, [1, 2], a=[1, 2]), metrics(2, [3], a=[3], b=[9]), metrics(3, [4], b=[8])])
    assert list(history.series["a"])[:3] == [1, 2, 3]
    assert math.isnan(history.series["a"][3])
    assert [math.isnan(value) for value in history.series["b"]] == [True, True, False, False]


def test_a_short_curve_is_kept_whole() -> None:
    assert drawn(long([3.0, 1.0, 2.0]), 8) == [(1, 3.0), (2, 1.0), (3, 2.0)]
    assert list(History().thinned(8)) == []


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=300), st.integers(min_value=8, max_value=60))
def test_ends_and_the_extremes_of_every_series_are_kept_within_the_limit(
    values: list[tuple[float, float]], limit: int
) -> None:
    first, second = (list(column) for column in zip(*values, strict=True))
    history = long(first, b=second)
    rows = list(history.thinned(limit))
    assert rows == sorted(set(rows))
    assert (rows[0], rows[-1]) == (0, len(values) - 1)
    assert len(rows) <= limit + 2
    for column in (first, second):
        kept = [column[row] for row in rows]
        assert (max(kept), min(kept)) == (max(column), min(column))


def test_one_spike_in_a_hundred_thousand_steps_is_still_there() -> None:
    values = np.ones(100_000)
    values[54_321] = 99.0
    points = drawn(long(values.tolist(), b=[math.nan] * 100_000), 300)
    assert len(points) <= 302
    assert (54_322, 99.0) in points


def test_what_is_no_number_is_no_extreme() -> None:
    values: list[Any] = [1.0] * 1000
    values[500:503] = [math.nan, 7.0, math.inf]
    assert (502, 7.0) in drawn(long(values), 20)


def sample(seq: int, step: int) -> Numbered:
    return Numbered(seq, 0.0, "sample", {"step": step, "picture": {"file": f"sample-{step:07d}.webp"}})


def test_samples_that_a_training_went_back_over_are_not_in_its_film() -> None:
    told = [sample(1, 0), metrics(2, [1, 2, 3]), sample(3, 3), metrics(4, [2, 3, 4]), sample(5, 4), sample(6, 4)]
    assert samples_of(told) == [SampleGrid(0, 0.0, "sample-0000000.webp"), SampleGrid(4, 0.4, "sample-0000004.webp")]
    rewound = Numbered(7, 0.0, "mark", {"step": 1, "seconds": 0.1, "text": "back", "key": "rewound"})
    assert [one.step for one in samples_of([*told, rewound])] == [0]
