"""A training is steered on its tab: a setting, one step of a side, back to a snapshot, and on as a branch."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.people import Person
from tests.browser.test_training import begin, sees_learning, step_of, stop


def test_a_person_turns_a_dial_goes_back_and_branches(person: Person) -> None:
    begin(person)
    panel = person("training-steering")
    expect(panel.get_by_role("heading", name="Steer")).to_be_visible()
    panel.get_by_role("button", name="Learning rate halved", exact=True).click()
    expect(person("steer-learning-rate")).to_have_value("0.0005")
    person("steer-gamma").fill("500")
    person("steer-gamma").press("Tab")
    person.sees_toast("Penalty weight must be at most 100.0; you gave 500.")
    expect(person("steer-gamma")).not_to_have_value("500", timeout=10_000)

    person("training-pause").click()
    person.sees_state("training", "paused", timeout=20_000)
    panel.get_by_role("button", name="One step of D alone").click()
    paused = step_of(person)
    person("steer-snapshot").fill("0")
    expect(panel.locator(".steer-at")).to_contain_text("step 0")
    person("steer-rewind").click()
    expect(person("training-step")).to_have_text(re.compile(r"^0\b"))
    assert paused > 0
    person("training-resume").click()
    sees_learning(person)

    person("steer-branch").click()
    expect(person("training-curves .curves-runs")).to_be_visible(timeout=30_000)  # laid over the one it comes from
    stop(person)
    expect(panel.get_by_role("heading", name="Go on from here")).to_be_visible()
    person("steer-continue").click()
    sees_learning(person)
    stop(person)

    person.reload("training")  # the first one has gone on all the while, and is found again
    person.sees_state("training", "running")
    stop(person)
    person.sees_idle_device()
