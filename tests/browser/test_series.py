"""What the page computes of curves: which points a line needs, exponential averages, rows that are taken back."""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

SCRIPTS = Path(__file__).resolve().parents[2] / "assets" / "js"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """An empty page that has the modules."""
    opened = browser.new_page()
    for name in ("series", "axes"):
        source = base64.b64encode((SCRIPTS / f"{name}.js").read_bytes()).decode()
        opened.evaluate(f"async () => {{ window.{name} = await import('data:text/javascript;base64,{source}'); }}")
    yield opened
    opened.close()


def needed(page: Page, values: list[float | None], columns: int) -> list[int]:
    """Indices of the points that a line through ``values`` needs in ``columns`` pixels."""
    script = """([values, columns]) => {
      const xs = [...values.keys()], place = (x) => x * columns / values.length;
      return series.needed(xs, values, 0, values.length, place);
    }"""
    found: list[int] = page.evaluate(script, [values, columns])
    return found


def test_a_line_keeps_the_first_lowest_highest_and_last_point_of_every_pixel_column(page: Page) -> None:
    source = random.Random(1)
    values: list[float | None] = [source.gauss(0, 1) for _ in range(20_000)]
    kept = needed(page, values, 500)
    assert kept == sorted(set(kept))
    assert len(kept) <= 4 * 500
    for column in range(500):
        there = range(column * 40, column * 40 + 40)
        wanted = {there[0], there[-1], min(there, key=values.__getitem__), max(there, key=values.__getitem__)}
        assert {index for index in kept if index in there} == wanted


def test_one_spike_in_twenty_thousand_steps_is_drawn(page: Page) -> None:
    values: list[float | None] = [1.0] * 20_000
    values[12_345] = 99.0
    assert 12_345 in needed(page, values, 300)


def test_a_line_with_fewer_points_than_pixels_keeps_all_that_are_numbers(page: Page) -> None:
    assert needed(page, [3.0, None, 1.0, 2.0], 400) == [0, 2, 3]
    assert needed(page, [], 400) == []


def smoothed(page: Page, values: list[float | None], weight: float, parts: int = 1) -> list[float]:
    """The averages, computed after each of ``parts`` equal parts has come."""
    script = """([values, weight, parts]) => {
      const rows = new series.Rows(), size = values.length / parts;
      for (let part = 0; part < parts; part += 1) {
        const some = values.slice(part * size, (part + 1) * size);
        const steps = some.map((_, index) => part * size + index + 1);
        rows.append({begins: steps[0], steps, seconds: steps, series: {a: some}});
        rows.columns.get("a").smoothed(weight, rows.length);
      }
      return [...rows.columns.get("a").averages.slice(0, rows.length)];
    }"""
    found: list[float] = page.evaluate(script, [values, weight, parts])
    return found


def test_averages_are_exponential_and_not_drawn_towards_zero_at_the_start(page: Page) -> None:
    source, weight = random.Random(2), 0.9
    values = [source.uniform(-3, 5) for _ in range(400)]
    expected, sum_ = [], 0.0
    for count, value in enumerate(values, 1):
        sum_ = weight * sum_ + (1 - weight) * value
        expected.append(sum_ / (1 - weight**count))
    assert smoothed(page, [*values], weight) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert smoothed(page, [*values], weight, parts=8) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert smoothed(page, [2.5] * 50, 0.99) == pytest.approx([2.5] * 50)


def test_a_step_without_a_value_has_no_average_and_ages_what_was_before(page: Page) -> None:
    found = smoothed(page, [4.0, None, None, 8.0], 0.5)
    assert [math.isnan(one) for one in found] == [False, True, True, False]
    assert found[3] == pytest.approx((4 * 0.5 * 0.125 + 8 * 0.875) / (1 - 0.5 * 0.125))


def test_a_series_measured_now_and_then_is_hardly_smoothed_by_what_is_long_ago(page: Page) -> None:
    values = [float(step // 50) if step % 50 == 0 else None for step in range(400)]
    assert smoothed(page, values, 0.9)[350] == pytest.approx(7, abs=0.01)


def test_a_line_through_values_with_gaps_is_one_line(page: Page) -> None:
    values = [float(step) if step % 50 == 0 else None for step in range(400)]
    assert needed(page, values, 400) == list(range(0, 400, 50))


def test_rows_that_were_gone_back_over_are_replaced_and_averaged_anew(page: Page) -> None:
    script = """() => {
      const rows = new series.Rows();
      const add = (first, values, more = {}) => { const steps = values.map((_, index) => first + index);
        rows.append({begins: first, steps, seconds: steps.map((step) => step / 10), series: {a: values, ...more}}); };
      add(1, Array(3000).fill(1));
      rows.columns.get("a").smoothed(0.9, rows.length);
      add(2001, [7, 7], {late: [1, null]});
      const a = rows.columns.get("a"), late = rows.columns.get("late");
      return {length: rows.length, last: rows.steps[rows.length - 1], a: a.smoothed(0.9, rows.length)[2000],
        late: [...late.values.slice(1999, 2003)].map(String)};
    }"""
    found: dict[str, Any] = page.evaluate(script)
    assert (found["length"], found["last"]) == (2002, 2002)
    assert found["a"] == pytest.approx(0.9 + 0.1 * 7)
    assert found["late"] == ["NaN", "1", "NaN", "NaN"]


def test_the_nearest_point_with_a_value_is_read(page: Page) -> None:
    script = "(x) => series.nearest([1, 2, 3, 10], [5, NaN, 6, 7], 4, x)"
    assert [page.evaluate(script, x) for x in (-5, 1.9, 2.1, 6, 7, 99)] == [0, 0, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("low", "high", "log", "ticks"),
    [
        (0, 2.2, False, [0, 1, 2]),
        (0.001, 12, True, [0.001, 0.01, 0.1, 1, 10]),
        (0.4, 2.1, True, [0.5, 1, 2]),
        (-5, 1200, True, [-1, 0, 1, 100]),
    ],
)
def test_ticks_are_round_and_run_through_zero_where_there_is_no_logarithm(
    page: Page, low: float, high: float, log: bool, ticks: list[float]
) -> None:
    found = page.evaluate(
        """([low, high, log]) => { const scale = axes.scaleOf(low, high, log, 0.1);
      return {ticks: scale.ticks(4), ends: [scale.to(low), scale.to(high)], places: scale.ticks(4).map(scale.to)}; }""",
        [low, high, log],
    )
    assert found["ticks"] == pytest.approx(ticks)
    assert found["ends"] == pytest.approx([0, 1])
    assert found["places"] == sorted(found["places"])


def test_one_spike_does_not_flatten_the_rest_of_a_long_curve(page: Page) -> None:
    values = [math.sin(step) for step in range(1000)] + [1e6]
    low, high = page.evaluate(f"axes.boundsOf(Float64Array.from({json.dumps(values)}))")
    assert -2 < low < -1 < 1 < high < 2
