"""What is said of recorded trainings, healthy ones and ones that failed, and of signals made up for one finding."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pipelines.requests import TrainingRequest
from pipelines.training.datasets import dataset_info, size_of
from pipelines.training.diagnosis import CONDITIONS, Finding, all_well, begun, changed, findings, once_each
from pipelines.training.finding_names import FINDINGS, FIXES, filled
from pipelines.training.recipe_names import RECIPES
from pipelines.training.signals import FIRST, MATURE, Measured, Signals
from studio.tabs.diagnosis import said

RECORDED = Path(__file__).parent / "recorded"
HEALTHY = ("r1", "r3gan", "hinge", "lsgan", "wgan", "vae", "ring", "few")
FIGURES = {"frechet": 2.0, "floor": 0.6, "classes": 10.0, "effective_classes": 9.0, "diversity": 0.9, "novelty": 1.5}


def replayed(name: str) -> Iterator[tuple[Signals, tuple[Finding, ...]]]:
    """Every ten steps of a recorded training what was known, and what is found; values are means of ten steps."""
    run = json.loads((RECORDED / f"{name}.json").read_text())
    request = TrainingRequest.parse({"steps": 1000, **run["settings"]})
    asked = {one: getattr(request, one) for one in RECIPES[request.recipe].steerable}
    when, steered = run.get("later") or (0, {})
    classes, features = len(dataset_info(request.dataset).classes), 2 if size_of(request.dataset) == 1 else 64
    usual: dict[str, float] = {}
    already: frozenset[str] = frozenset()
    for last in range(1, len(run["values"]) + 1):
        columns = zip(*run["values"][max(0, last - 5) : last], strict=True)
        recent = dict(zip(run["series"], columns, strict=True))
        step = last * run["every"]
        if not usual and step >= 70:
            usual = {one: median(values) for one, values in recent.items()}
        measured = [Measured(one["step"], one) for one in run["measured"] if one["step"] <= step]
        settings = asked | (steered if step > when else {})
        more: dict[str, Any] = {"classes": classes, "units": request.latent, "features": features}
        signals = Signals(step, last / len(run["values"]), recent, measured, settings, usual, **more)
        found = findings(signals, already)
        already = frozenset(one.key for one in found)
        yield signals, found


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_raises_no_alarm(name: str) -> None:
    replay = list(replayed(name))
    assert [(signals.step, found) for signals, found in replay if found] == []
    last = all_well(replay[-1][0])
    assert last.severity == "good"
    assert [all_well(signals).key for signals, _ in replay if signals.step < MATURE] == ["early"] * (MATURE // 10 - 1)


@pytest.mark.parametrize(
    ("name", "key", "fixes"),
    [
        ("classic-ring", "few_classes", []),
        ("classic-grid", "few_classes", []),
        ("d-asleep", "d_lost", [{"d_rate": 0.002}, {"sample_balance": True}, {"d_steps": 2}]),
        ("d-flat", "g_silent", [{"gamma": 10.0}, {"d_rate": 2.0}, {"sample_balance": True}]),
        ("d-falls-asleep", "worse", [{"learning_rate": 0.0005}, {"gamma": 2.0}]),
        ("frozen", "stalled", [{"learning_rate": 5e-8}]),
        ("by-heart", "copying", [{"augment": "on"}, {"gamma": 0.2}]),
    ],
)
def test_a_training_made_to_fail_is_said_to_fail_that_way(name: str, key: str, fixes: list[dict[str, Any]]) -> None:
    told = [one for _, found in replayed(name) for one in found if one.key == key]
    assert told
    assert not fixes or [fix.changes for fix in told[-1].fixes] == fixes


def test_the_textbooks_gan_is_said_to_draw_few_kinds_of_picture_and_d_to_win_now_and_then() -> None:
    replay = list(replayed("classic"))
    assert all("few_classes" in {one.key for one in found} for signals, found in replay if signals.step > 300)
    assert any(found[0].key == "d_wins" for _, found in replay if found)
    one = next(one for _, found in replay for one in found if one.key == "few_classes")
    assert one.plain()["text"] == "2 of 10 classes appear, no more varied than 1.92 equally common ones."


def test_a_gan_whose_d_runs_away_is_said_so_with_its_share_and_what_slows_d_down() -> None:
    signals, found = list(replayed("dcgan"))[-1]
    assert [one.key for one in found] == ["d_wins"]
    assert found[0].plain()["text"].startswith("It tells 100 % of real and generated pictures apart")
    assert {"d_rate": 0.5} in [fix.changes for fix in found[0].fixes]
    assert signals.apart is not None
    assert signals.apart > 0.99


def test_a_vae_with_a_huge_beta_is_said_to_have_lost_its_code_and_nothing_that_follows_from_it() -> None:
    replay = [found for signals, found in replayed("vaebeta") if signals.step >= FIRST]
    assert {tuple(one.key for one in found) for found in replay} == {("kl_collapsed",)}
    plain = replay[-1][0].plain()
    assert plain["text"] == "0 of 16 numbers of the code are active, KL is 0 nats: it says nothing of the picture."
    assert plain["fixes"][0]["changes"] == {"beta": 1.0}


# ---------------------------------------------------------------------------------------------- made up


def signals(step: int = 600, measured: list[Mapping[str, float]] | None = None, **more: Any) -> Signals:
    """A training that goes well, but for ``more``; ``measured`` changes the figures, evenly spread over the steps."""
    accuracy = more.pop("accuracy", 0.7)
    series = {"real_accuracy": (accuracy,) * 50, "fake_accuracy": (accuracy,) * 50, "generator_gradient": (1.0,) * 50}
    recent = series | more.pop("recent", {})
    figures = [{**FIGURES, **one} for one in measured or [{}, {}]]
    looks = [Measured(step * number // len(figures), one) for number, one in enumerate(figures, 1)]
    settings = {"gamma": 1.0, "d_rate": 1.0, "d_steps": 1, "learning_rate": 1e-3, "instance_noise": 0.0}
    given = {"settings": settings, "usual": {"generator_gradient": 1.0}, "classes": 10, "units": 16} | more
    return Signals(step, given.pop("share", 0.5), recent, looks, **given)


def found(*already: str, **more: Any) -> list[str]:
    return [one.key for one in findings(signals(**more), frozenset(already))]


def test_nothing_is_said_against_a_training_that_goes_well() -> None:
    assert found() == []
    assert all_well(signals()).key == "well_classes"
    assert all_well(signals(step=MATURE - 1)).key == "early"


def test_what_is_far_from_real_is_learning_only_where_it_gets_closer() -> None:
    assert all_well(signals(measured=[{"frechet": 60.0}, {"frechet": 40.0}])).key == "learning"
    assert all_well(signals(measured=[{"frechet": 60.0}, {"frechet": 59.0}])).key == "far"


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_finding_is_found_in_signals_made_for_it(condition: str) -> None:
    made: dict[str, dict[str, Any]] = {
        "diverged": {"returns": 2, "returned": 500, "rate": 0.25},
        "kl_collapsed": {"recent": {"kl": (0.01,) * 50, "active_units": (0.0,) * 50}},
        "d_wins": {"accuracy": 0.98},
        "d_lost": {"accuracy": 0.5, "measured": [{"frechet": 50.0}] * 2},
        "g_silent": {"recent": {"generator_gradient": (0.001,) * 50}},
        "few_classes": {"measured": [{"classes": 3.0, "effective_classes": 2.5}] * 2},
        "alike": {"measured": [{"diversity": 0.2}] * 2},
        "copying": {"measured": [{"novelty": 0.1}] * 2},
        "worse": {"measured": [{"frechet": 5.0}, {"frechet": 20.0}, {"frechet": 21.0}]},
        "stalled": {"measured": [{"frechet": 10.0}] * 8},
    }
    assert found(**made[condition]) == [condition]


def test_one_bad_measurement_is_no_finding() -> None:
    assert found(measured=[{}, {"classes": 3.0, "effective_classes": 2.0, "diversity": 0.1}]) == []
    assert found(measured=[{"frechet": 5.0}, {"frechet": 30.0}, {"frechet": 6.0}]) == []


def test_a_finding_ends_at_a_milder_value_than_it_begins_at() -> None:
    assert found(accuracy=0.955) == []
    assert found("d_wins", accuracy=0.955) == ["d_wins"]
    assert found("d_wins", accuracy=0.92) == []


def test_a_discriminator_that_guesses_in_front_of_good_pictures_has_not_lost() -> None:
    assert found(accuracy=0.5, measured=[{"frechet": 2.0}] * 2) == []


def test_near_real_points_in_the_plane_nothing_is_far() -> None:
    near = [{"frechet": 0.03, "floor": 0.001}] * 8
    assert found(measured=near, features=2, accuracy=0.5) == []


def test_a_critic_that_measures_a_distance_never_wins() -> None:
    assert found(accuracy=1.0, scored=False) == []


def test_a_fix_that_is_made_is_not_offered_again_and_none_leaves_its_range() -> None:
    settings = {"gamma": 80.0, "d_rate": 1.0, "instance_noise": 0.1, "d_steps": 5}
    (one,) = findings(signals(accuracy=0.99, settings=settings))
    assert [fix.changes for fix in one.fixes] == [{"gamma": 100.0}, {"d_rate": 0.5}]
    for recipe in RECIPES:
        request = TrainingRequest.parse({"recipe": recipe, "seconds": 60})
        asked = {name: getattr(request, name) for name in RECIPES[recipe].steerable}
        for fix in (fix for one in findings(signals(accuracy=0.99, settings=asked)) for fix in one.fixes):
            assert request.steering(fix.changes) == fix.changes, "the studio lets every fix through"


def test_a_penalty_that_is_off_is_switched_on_before_it_is_raised() -> None:
    (one,) = findings(signals(accuracy=0.99, settings={"gradient_penalty": False, "gamma": 1.0}))
    assert one.fixes[0].plain()["text"] == "Hold D back by a gradient penalty"
    assert one.fixes[0].changes == {"gradient_penalty": True}


def test_helpers_are_offered_where_they_are_off_and_augmentation_where_pictures_are_few() -> None:
    off = {"dynamic_rates": False, "sample_balance": False, "augment": "auto", "d_rate": 1.0}
    (wins,) = findings(signals(accuracy=0.99, settings=off))
    assert {"dynamic_rates": True} in [fix.changes for fix in wins.fixes]
    (silent,) = findings(signals(recent={"generator_gradient": (0.001,) * 50}, settings=off))
    assert {"sample_balance": True} in [fix.changes for fix in silent.fixes]
    (copies,) = findings(signals(measured=[{"novelty": 0.1}] * 2, settings=off))
    assert [fix.changes for fix in copies.fixes] == [{"augment": "on"}]
    on = {"dynamic_rates": True, "sample_balance": True, "augment": "on"}
    for one in (
        *findings(signals(accuracy=0.99, settings=on)),
        *findings(signals(measured=[{"novelty": 0.1}] * 2, settings=on, augmented=True)),
    ):
        assert one.fixes == ()


def test_a_warm_up_that_is_over_by_then_is_not_lengthened_beyond_the_run() -> None:
    collapsed = {"recent": {"kl": (0.0,) * 50, "active_units": (0.0,) * 50}}
    settings = {"beta": 1.0, "warmup": 0.1, "free_bits": 0.0}
    (early,) = findings(signals(settings=settings, share=0.2, **collapsed))
    assert [fix.changes for fix in early.fixes] == [{"beta": 0.25}, {"warmup": 0.5}, {"free_bits": 0.1}]
    (late,) = findings(signals(settings=settings, share=0.9, **collapsed))
    assert [fix.changes for fix in late.fixes] == [{"beta": 0.25}, {"free_bits": 0.1}]


def test_two_findings_offer_a_fix_once() -> None:
    both = findings(signals(accuracy=0.99, measured=[{"classes": 2.0, "effective_classes": 1.5}] * 2))
    first, second = once_each(both)
    assert {"d_rate"} <= {name for fix in first.fixes for name in fix.changes}
    assert {"d_rate"}.isdisjoint(name for fix in second.fixes for name in fix.changes)


def test_a_value_that_moves_by_less_than_a_tenth_is_not_told_again() -> None:
    before = findings(signals(accuracy=0.98))
    assert not changed(before, findings(signals(accuracy=0.99)))
    assert changed(before, ())
    assert changed([all_well(signals(accuracy=0.6))], [all_well(signals(accuracy=0.7))])


def test_a_warning_is_marked_when_it_begins_unless_going_back_was() -> None:
    now = findings(signals(accuracy=0.98, returns=1, returned=600))
    assert [one.key for one in now] == ["diverged", "d_wins"]
    assert [one.key for one in begun((), now)] == ["d_wins"]
    assert list(begun(now, now)) == []


# ----------------------------------------------------------------------------------------------- words


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_sentence_has_the_same_fields_in_both_languages() -> None:
    for info in FINDINGS.values():
        assert fields(info.text) == fields(info.text_zh), info.key
        assert info.title_zh != info.title
    assert all(fields(fix.text) == fields(fix.text_zh) <= {"value"} for fix in FIXES.values())
    assert set(CONDITIONS) <= set(FINDINGS)


def test_a_finding_is_said_in_the_persons_language_and_a_plug_ins_own_as_it_came() -> None:
    (plain,) = (one.plain() for one in findings(signals(accuracy=0.98)))
    assert said(plain, "en")["fixes"][0] == {"text": "Raise the penalty weight to 2", "changes": {"gamma": 2.0}}
    assert said(plain, "zh")["text"] == "它能分清 98% 的真图与生成图，生成器几乎听不到有用的意见。"
    assert said(plain, "zh")["fixes"][0]["text"] == "惩罚权重提高到 2"
    foreign = {**plain, "key": "mine", "title": "My own", "text": "Said {so}", "fixes": []}
    assert said(foreign, "zh")["text"] == "Said {so}"
    assert filled("{a} of {b}", {"a": 2.0, "b": "x"}) == "2 of x"
