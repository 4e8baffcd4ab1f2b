"""Work that calls back, read as events."""

from __future__ import annotations

import threading

import pytest

from pipelines.base import Progress
from pipelines.streaming import Emit, events_of


def test_events_arrive_in_order_and_the_work_moves_only_while_somebody_waits() -> None:
    reached: list[int] = []

    def work(emit: Emit) -> None:
        for step in range(5):
            reached.append(step)
            emit(Progress("denoising", step))

    events = events_of(work)
    assert reached == []
    assert next(events) == Progress("denoising", 0)
    assert reached == [0]
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2, 3, 4]


def test_what_the_work_raises_is_raised_to_the_reader() -> None:
    def work(emit: Emit) -> None:
        emit(Progress("denoising"))
        raise KeyError("lost")

    events = events_of(work)
    next(events)
    with pytest.raises(KeyError, match="lost"):
        next(events)


def test_closing_ends_the_work_where_it_stands_and_lets_it_clean_up() -> None:
    steps: list[str] = []

    def work(emit: Emit) -> None:
        try:
            for step in range(1000):
                steps.append(str(step))
                try:
                    emit(Progress("denoising", step))
                except Exception:  # noqa: BLE001 - a library that keeps every exception to itself
                    steps.append("kept")
        finally:
            steps.append("cleaned up")

    before = threading.active_count()
    events = events_of(work)
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert steps == ["0", "1", "cleaned up"]
    assert threading.active_count() == before


def test_an_iterator_nobody_began_starts_nothing() -> None:
    before = threading.active_count()
    events_of(lambda emit: emit(Progress("denoising")))
    assert threading.active_count() == before
