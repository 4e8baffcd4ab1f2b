"""A training is measured and judged while it runs, which changes nothing of what it becomes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipelines.base import Cancelled, Diagnosis, Mark, Metrics
from pipelines.training import reference, session, watcher
from pipelines.training.loop import Loop
from pipelines.training.measure_names import MEASURES
from pipelines.training.meter import Readings
from pipelines.training.recipe_names import RECIPES
from pipelines.training.reference import References
from pipelines.training.watcher import Watcher, metrics
from studio.engine.history import History
from studio.engine.job import Numbered
from studio.engine.telling import Telling
from studio.locales import marked
from studio.runs import _lines, chart_titles
from studio.store.workspaces import Workspace
from studio.tabs.diagnosis import said
from tests.unit.training_runs import CPU, state, tiny, train
from tests.unit.turns import FreeTurn


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures and judges at every reading, and reads after every step."""
    monkeypatch.setattr(session, "READ_EVERY", 0.0)
    for name in ("MEASURE_EVERY", "MEASURE_FIRST", "JUDGE_EVERY", "TELL_EVERY"):
        monkeypatch.setattr(watcher, name, 0.0)
    for name in ("MEASURE_STEPS", "JUDGE_STEPS"):
        monkeypatch.setattr(watcher, name, 0)
    monkeypatch.setattr(watcher, "MEASURE_SHARE", 1e9)
    monkeypatch.setattr(watcher, "REFERENCES", References())
    monkeypatch.setattr(reference, "SAMPLES", 60)
    monkeypatch.setattr(reference, "POOL", 300)


def emitted(events: list[Any], tmp_path: Path) -> list[Numbered]:
    """``events`` as a page gets them."""
    sent: list[Any] = []
    telling = Telling("job", Workspace(tmp_path), sent.append)
    for event in events[:-1]:
        telling.event(event)
    return [Numbered(seq, 0.0, one.kind, one.data) for seq, one in enumerate(sent, 1)]


@pytest.mark.usefixtures("eager")
def test_samples_are_measured_and_the_figures_are_series_of_their_steps(tmp_path: Path) -> None:
    events = train(tiny(steps=3), FreeTurn(tmp_path))
    told = [event for event in events if isinstance(event, Metrics)]
    assert [step for event in told for step in event.steps] == [1, 2, 3]
    for event in told:
        assert list(event.series)[-len(MEASURES) :] == ["frechet", "floor", "kernel", "diversity", "novelty", *_CLASSES]
        assert event.series["frechet"][0] > 5 * event.series["floor"][0] > 0
        assert 1 <= event.series["classes"][0] <= 10
    assert len({event.series["floor"] for event in told}) == 1


_CLASSES = ("classes", "effective_classes")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("settings", [{}, {"conditional": True}, {"recipe": "vae"}, {"dataset": "ring"}], ids=str)
def test_whatever_is_trained_is_measured(settings: dict[str, Any], tmp_path: Path) -> None:
    told = [event for event in train(tiny(steps=1, **settings), FreeTurn(tmp_path)) if isinstance(event, Metrics)]
    assert set(MEASURES) <= set(told[-1].series)


@pytest.mark.usefixtures("eager")
def test_a_watched_training_ends_bit_for_bit_as_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "watched").mkdir()
    train(tiny(steps=5), FreeTurn(tmp_path / "watched"))
    monkeypatch.setattr(watcher, "MEASURE_STEPS", 1_000)
    train(tiny(steps=5), FreeTurn(tmp_path / "alone"))
    ends = state(tmp_path / "alone"), state(tmp_path / "watched")
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.usefixtures("eager")
def test_a_cancel_while_samples_are_measured_is_heard(tmp_path: Path) -> None:
    watcher.REFERENCES.of(Loop(tiny(), CPU).data, lambda: None)
    turn = FreeTurn(tmp_path, cancel_after=2)
    with pytest.raises(Cancelled):
        train(tiny(steps=1), turn)


def test_a_measured_step_is_an_event_of_its_own() -> None:
    readings = Readings((4, 5, 6), (0.4, 0.5, 0.6), ((1.0,), (2.0,), (3.0,)))
    first, last = metrics(readings, ("a",), {"frechet": 9.0}, 2.0, None)
    assert (first.steps, dict(first.series)) == ((4, 5), {"a": (1.0, 2.0)})
    assert (last.steps, dict(last.series)) == ((6,), {"a": (3.0,), "frechet": (9.0,)})
    (alone,) = metrics(readings, ("a",), {}, 2.0, None)
    assert alone.steps == (4, 5, 6)
    (single,) = metrics(Readings((6,), (0.6,), ((3.0,),)), ("a",), {"frechet": 9.0}, 2.0, None)
    assert dict(single.series) == {"a": (3.0,), "frechet": (9.0,)}


def test_measuring_takes_no_more_than_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(tiny(), CPU)
    loop.step, loop.seconds = 50, 10.0
    watched = Watcher(loop)
    assert watched.measure(False, lambda: None)
    assert watched.measure(False, lambda: None) == {}, "it has just been measured"
    loop.step, loop.seconds = 60, 10.0 + watcher.MEASURE_EVERY - 0.1
    assert watched.measure(False, lambda: None) == {}
    assert watched.measure(True, lambda: None), "there will be no other chance"
    loop.step, loop.seconds = 70, 1e6
    assert watched.measure(False, lambda: None)
    assert watched._measure_at - 1e6 >= watcher.MEASURE_EVERY


@pytest.mark.usefixtures("eager")
def test_table_and_tensorboards_file_have_the_figures_where_they_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MEASURE_STEPS", 3)
    history = History(emitted(train(tiny(steps=3), FreeTurn(tmp_path)), tmp_path))
    rows = list(csv.DictReader(io.StringIO("".join(_lines(history)))))
    assert [row["frechet"] == "" for row in rows] == [True, True, False]
    assert all(row["generator"] for row in rows)
    reader = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    told = [(event.step, event.value) for event in reader.Scalars("frechet/frechet")]
    assert told == [(3, pytest.approx(float(rows[-1]["frechet"])))]


def test_the_figures_have_charts_with_titles_in_both_languages() -> None:
    names = [series.name for series in RECIPES["r1"].series] + list(MEASURES)
    charts = {one["chart"]: [each["title"] for each in one["series"]] for one in chart_titles("r1", names, "en")}
    assert charts["frechet"] == ["Generated pictures", "Real pictures against real ones"]
    assert set(charts) == {"loss", "accuracy", "penalty", "frechet", "kernel", "classes", "diversity"}
    assert all(series.title != series.title_zh for series in MEASURES.values())


@pytest.mark.usefixtures("eager")
def test_a_training_says_how_it_goes_at_first_and_when_that_changes(tmp_path: Path) -> None:
    events = train(tiny(steps=4), FreeTurn(tmp_path))
    told = [event for event in events if isinstance(event, Diagnosis)]
    assert [[one["key"] for one in event.findings] for event in told] == [["early"]]


@pytest.mark.usefixtures("eager")
def test_a_learning_rate_far_too_high_is_diagnosed_as_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "MEASURE_STEPS", 1_000)
    events = train(tiny(learning_rate=0.1, steps=40), FreeTurn(tmp_path))
    told = [event for event in events if isinstance(event, Diagnosis)]
    found = told[-1].findings[0]
    assert found["key"] == "diverged"
    assert found["fixes"][0]["changes"]["learning_rate"] < 0.1
    page = [one for one in emitted(events, tmp_path) if one.kind == "diagnosis"][-1].data["findings"][0]
    assert said(page, "en")["text"].startswith("Returns to an earlier state so far: ")
    assert said(page, "zh")["title"] == "训练发散了"
    assert said(page, "zh")["fixes"][0]["text"].startswith("学习率降到")


class Fed(Watcher):
    """A watcher of a loop that is moved by hand, and is told how often D was right."""

    def __init__(self) -> None:
        self.loop = Loop(tiny(recipe="dcgan", steps=0, seconds=60), CPU)
        super().__init__(self.loop)

    def feed(self, accuracy: float, looks: int) -> list[Mark | Diagnosis]:
        told: list[Mark | Diagnosis] = []
        for _ in range(looks):
            steps = range(self.loop.step + 1, self.loop.step + 51)
            self.loop.step, self.loop.seconds = steps[-1], self.loop.seconds + 6
            row = (1.0, 1.0, accuracy, accuracy, 1.0, 1.0)
            self.take(Readings(tuple(steps), (0.0,) * 50, (row,) * 50))
            told += self.judge(last=False)
        return told


def keys(events: list[Mark | Diagnosis]) -> list[list[str]]:
    return [[one["key"] for one in event.findings] for event in events if isinstance(event, Diagnosis)]


def test_a_finding_begins_after_two_looks_with_a_mark_and_ends_after_three_without_it() -> None:
    watched = Fed()
    assert keys(watched.feed(0.7, 4)) == [["early"], ["well"]]
    assert watched.feed(0.99, 1) == []
    mark, told = watched.feed(0.99, 1)
    assert isinstance(mark, Mark)
    assert (marked(vars(mark), "en"), marked(vars(mark), "zh")) == ("D is winning", "判别器占了上风")
    assert keys([told]) == [["d_wins"]]
    assert watched.feed(0.99, 5) == [], "nothing is said twice"
    assert watched.feed(0.7, 2) == []
    assert keys(watched.feed(0.7, 1)) == [["well"]]


def test_a_finding_does_not_flicker_around_its_threshold() -> None:
    watched = Fed()
    watched.feed(0.98, 4)
    assert [keys(watched.feed(accuracy, 1)) for accuracy in (0.96, 0.98, 0.95, 0.97, 0.96)] == [[], [], [], [], []]


def test_after_going_back_what_was_seen_later_is_forgotten() -> None:
    watched = Fed()
    watched.loop.step, watched.loop.seconds = 50, 10.0
    watched.measure(True, lambda: None)
    watched.loop.step = 40
    watched.went_back()
    assert watched._signals().measured == ()
    assert watched._signals().apart is None
