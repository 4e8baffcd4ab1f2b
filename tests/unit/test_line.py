"""The line of waiting jobs: fair in device seconds, a bounded preference for what is loaded, an honest estimate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engine.line import Waiting, choose, order, seconds_for, work_before
from studio.engine.usage import DAY, Day, Lately


def waiting(name: str, created: float = 0.0, expected: float = 2.0, loaded: bool = True) -> Waiting:
    return Waiting(name, name.rstrip("0123456789"), created, expected, loaded)


def names(line: list[Waiting]) -> list[str]:
    return [one.job_id for one in line]


def test_whoever_used_the_device_least_lately_goes_first_however_many_jobs_he_has() -> None:
    line = [waiting("ann1", 1), waiting("ann2", 2), waiting("bob1", 3)]
    assert names(order(line, {"ann": 9.0, "bob": 1.0})) == ["bob1", "ann1", "ann2"]
    assert names(order(line, {"ann": 1.0, "bob": 2.0})) == ["ann1", "bob1", "ann2"]


def test_eight_jobs_of_one_person_do_not_go_before_one_of_anothers() -> None:
    line = [*(waiting(f"hog{n}", n) for n in range(8)), waiting("quiet1", 8)]
    assert names(order(line, {})).index("quiet1") == 1


def test_a_person_with_long_jobs_goes_less_often_than_one_with_short_ones() -> None:
    line = [*(waiting(f"long{n}", n, expected=10) for n in range(3)), *(waiting(f"short{n}", n) for n in range(8))]
    ordered = names(order(line, {}))
    assert ordered[:6].count("long0") == 1
    assert sum(name.startswith("long") for name in ordered[:6]) == 1


def test_a_job_whose_model_is_loaded_goes_before_a_fairer_one_until_the_credit_is_spent() -> None:
    passed: dict[str, float] = {}
    gone = []
    line = [waiting("bob1", 0, loaded=False), *(waiting(f"ann{n}", n + 1) for n in range(9))]
    while line:
        gone.append(choose(order(line, {}), passed, credit=5.0))
        line.remove(gone[-1])
    assert names(gone).index("bob1") == 2, "two jobs of two seconds fit in a credit of five, a third does not"


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0.1, 8), st.booleans()), min_size=1, max_size=30),
    st.floats(0, 10),
)
def test_the_credit_bounds_what_goes_before_any_job_because_of_its_model(
    jobs: list[tuple[str, float, bool]], credit: float
) -> None:
    line = [Waiting(str(n), owner, n, expected, loaded) for n, (owner, expected, loaded) in enumerate(jobs)]
    charges: dict[str, float] = {}
    passed: dict[str, float] = {}
    over: dict[str, float] = {}
    while line:
        fair = order(line, charges)
        gone = choose(fair, passed, credit)
        for fairer in fair[: fair.index(gone)]:
            over[fairer.job_id] = over.get(fairer.job_id, 0.0) + gone.expected
        charges[gone.owner] = charges.get(gone.owner, 0.0) + gone.expected
        line.remove(gone)
    assert all(seconds <= credit + 1e-9 for seconds in over.values())


@pytest.mark.parametrize(
    ("running", "ahead", "places", "work"),
    [
        ([], [], 1, 0),
        ([4], [], 1, 4),
        ([4], [3], 1, 7),
        ([4, 6], [], 3, 0),
        ([4, 6], [], 2, 8),  # four seconds of each, then there is room
        ([4, 6], [9], 2, 12),  # the nine go in after eight; the six have two more, and so has the nine by then
        ([1, 1, 1, 1], [1, 1, 1, 1], 4, 8),
    ],
)
def test_the_work_before_a_job_begins(running: list[float], ahead: list[float], places: int, work: float) -> None:
    assert list(work_before(running, ahead, places))[-1] == pytest.approx(work)


def test_an_estimate_counts_what_the_other_class_takes_of_the_device() -> None:
    assert seconds_for(8, 0, 0.85) == 8
    assert seconds_for(8.5, float("inf"), 0.85) == pytest.approx(10), "training keeps its share meanwhile"
    assert seconds_for(30, 17, 0.15) == pytest.approx(47), "and has the device for itself once the others are done"
    assert seconds_for(1, 17, 0.15) == pytest.approx(1 / 0.15)
    assert seconds_for(1, float("inf"), 0.0) is None


def test_what_was_used_lately_fades() -> None:
    lately = Lately(half_life=100)
    lately.add("ann", 8, at=0)
    lately.add("ann", 1, at=100)
    assert lately.of("ann", 100) == pytest.approx(5)
    assert lately.of("ann", 200) == pytest.approx(2.5)
    assert lately.of("bob", 200) == 0
    assert lately.all(1e6) == {}


def test_the_last_day_is_counted_and_says_when_a_cap_frees() -> None:
    day = Day()
    day.add("ann", 0, 100, 50)
    day.add("ann", 1000, 1100, 100)
    assert day.used("ann", 2000) == 150
    assert day.used("ann", DAY + 50) == pytest.approx(125), "half of the first is out"
    assert day.frees("ann", 75, 2000) == pytest.approx(DAY + 1025, abs=2)
    assert day.used("ann", DAY + 2000) == 0
