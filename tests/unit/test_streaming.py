"""Work that calls back, read as events."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

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

    events = events_of(work)
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert steps == ["0", "1", "cleaned up"]


def test_an_iterator_nobody_began_starts_nothing() -> None:
    begun: list[str] = []

    def work(emit: Emit) -> None:
        begun.append("work")
        emit(Progress("denoising"))

    events = events_of(work)
    events.close()  # type: ignore[attr-defined]
    assert begun == []


def test_the_work_computes_on_the_thread_that_reads_so_that_one_team_of_workers_serves_both() -> None:
    threads: list[int] = []

    def work(emit: Emit) -> None:
        for step in range(3):
            threads.append(threading.get_ident())
            emit(Progress("denoising", step))

    assert len(list(events_of(work))) == 3
    assert threads == [threading.get_ident()] * 3


def test_two_pieces_of_work_read_in_turns_do_not_mix() -> None:
    def counting(first: int) -> Callable[[Emit], None]:
        def work(emit: Emit) -> None:
            for step in range(first, first + 3):
                emit(Progress("denoising", step))

        return work

    pairs = zip(events_of(counting(0)), events_of(counting(10)), strict=True)
    seen = [(one.done, two.done) for one, two in pairs if isinstance(one, Progress) and isinstance(two, Progress)]
    assert seen == [(0, 10), (1, 11), (2, 12)]


def test_work_that_is_read_inside_other_work_passes_its_events_on() -> None:
    def inner(emit: Emit) -> None:
        for step in range(2):
            emit(Progress("decoding", step))

    def outer(emit: Emit) -> None:
        emit(Progress("denoising", 0))
        for event in events_of(inner):
            emit(event)

    assert list(events_of(outer)) == [Progress("denoising", 0), Progress("decoding", 0), Progress("decoding", 1)]


def test_an_iterator_that_the_collector_finds_in_another_thread_ends_once_its_own_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    left, found = threading.Event(), threading.Event()

    def work(emit: Emit) -> None:
        try:
            emit(Progress("denoising"))
        finally:
            ended.set()

    def reader() -> None:
        events = events_of(work)
        next(events)
        round_about: list[object] = [events]
        round_about.append(round_about)  # nobody but the collector can find it any more
        del events, round_about
        left.set()
        found.wait()
        list(events_of(lambda emit: emit(Progress("denoising"))))

    gc.collect()
    gc.disable()
    try:
        thread = threading.Thread(target=reader)
        thread.start()
        left.wait()
        gc.collect()
    finally:
        gc.enable()
        found.set()
    thread.join()
    assert unraisable == []
    assert ended.is_set()
