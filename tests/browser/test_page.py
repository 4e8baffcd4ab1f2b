"""What holds on every tab: bad input loses nothing, light and dark, narrow windows, the keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.people import KINDS, SLOW, TABS, Person
from tests.browser.test_text import GROWING, set_for_ever

#: everything that sticks out to the right of the window and cannot be scrolled to inside a box of its own
OVERFLOWING = """() => {
  const scrolls = (one) => one && one !== document.body &&
    (/auto|scroll|hidden|clip/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
  return [...document.querySelectorAll('.gradio-container *')]
    .filter((one) => one.checkVisibility({opacityProperty: true}) && one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => !scrolls(one.parentElement))
    .map((one) => `${one.tagName}#${one.id}.${one.className} ${Math.round(one.getBoundingClientRect().right)}`);
}"""


def test_an_empty_prompt_is_a_sentence_in_the_tab_and_in_a_toast_and_nothing_typed_is_lost(person: Person) -> None:
    person.open("text")
    person.more("text")
    person("text-system textarea").fill("Answer in rhymes.")
    person.number("text-temperature", 0.2)
    person("text-make").click()
    person.sees_state("text", "failed", timeout=10_000)
    expect(person("text-result .notice")).to_have_text("The prompt is empty. Write what you would like to get.")
    person.sees_toast("The prompt is empty.")
    expect(person("text-system textarea")).to_have_value("Answer in rhymes.")
    expect(person("text-temperature input[type=number]")).to_have_value("0.2")
    expect(person("text-make")).to_be_visible()


def test_a_number_out_of_range_is_refused_with_the_rule_and_the_value_and_the_prompt_stays(person: Person) -> None:
    person.open("training")
    person.number("training-seconds", -5)
    person("training-start").click()
    person.sees_state("training", "failed", timeout=10_000)
    expect(person("training-result .notice")).to_have_text(re.compile(r"Time.*0.*-5"))
    expect(person("training-seconds input")).to_have_value("-5")
    person.go("style")
    person("style-make").click()
    person.sees_state("style", "failed", timeout=10_000)
    expect(person("style-result .notice")).to_have_text(re.compile("photo", re.IGNORECASE))
    person.go("image")
    person("image-prompt textarea").fill("a boat <b>bold</b>")
    person("image-model input").fill("no-such-model")
    person("image-model input").press("Enter")
    person("image-make").click()
    person.sees_state("image", "failed", timeout=10_000)
    expect(person("image-result .notice")).to_contain_text("no-such-model")
    expect(person("image-prompt textarea")).to_have_value("a boat <b>bold</b>")


def test_light_and_dark_are_chosen_by_hand_and_stay_after_a_reload(person: Person) -> None:
    page = person.open("text")
    dark = re.compile(r"\bdark\b")
    expect(page.locator("body")).not_to_have_class(dark)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    person("scheme-toggle").click()
    expect(page.locator("body")).to_have_class(dark)
    person.reload("text")
    expect(page.locator("body")).to_have_class(dark)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    person("scheme-toggle").click()
    expect(page.locator("body")).not_to_have_class(dark)


def test_a_dark_system_gets_a_dark_page(new_person: NewPerson) -> None:
    page = new_person(color_scheme="dark").open("text")
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_nothing_sticks_out_of_a_narrow_window(new_person: NewPerson, locale: str) -> None:
    person = new_person(locale=locale, viewport={"width": 400, "height": 800})
    person.open("text")
    for tab in TABS:
        person.go(tab)
        if tab in ("text", "image", "training"):
            person.more(tab)
        assert person.page.evaluate(OVERFLOWING) == [], tab
        assert person.page.evaluate("document.documentElement.scrollWidth") <= 400, tab


def test_the_result_comes_right_after_the_button_in_a_narrow_window(new_person: NewPerson) -> None:
    person = new_person(viewport={"width": 400, "height": 800})
    person.open("text")
    for kind in KINDS:
        person.go(kind)
        ask, stage, more = (person(f"{kind}-area-{area}").bounding_box() for area in ("ask", "stage", "more"))
        assert ask is not None
        assert stage is not None
        assert more is not None
        assert ask["y"] < stage["y"] < more["y"], kind


def test_ctrl_enter_makes_and_escape_stops(person: Person) -> None:
    set_for_ever(person)
    person("text-prompt textarea").press("Control+Enter")
    expect(person(GROWING)).to_have_text(re.compile(r"\w+"), timeout=SLOW)
    person.page.keyboard.press("Escape")
    person.sees_state("text", "done", timeout=10_000)
    person.sees_idle_device()


#: what a keyboard must reach: of a radio group and of a row walked by arrows, one is enough
REACHABLE = """() => {
  const groups = new Set();
  const all = [...document.querySelectorAll('button, input, textarea, select, summary, a[href], canvas[tabindex]')];
  const wanted = all.filter((one) => {
    if (one.disabled || one.tabIndex < 0 || !one.checkVisibility({visibilityProperty: true})) return false;
    if (one.closest('.behind, .menu-list')) return false;
    if (one.type !== 'radio') return true;
    const group = one.name;
    if (one.checked) groups.add(group);
    return one.checked;
  });
  window.wanted = wanted;
  const look = (one) => { const of = getComputedStyle(one); return `${of.outline} ${of.boxShadow} ${of.borderColor}`; };
  const around = (one, steps) => one && steps ? [one, ...around(one.parentElement, steps - 1)] : [];
  window.looks = (one) => around(one, 5).map(look).join();
  window.before = wanted.map(window.looks);
  return wanted.map((one) => `${one.tagName} ${one.closest('[id]')?.id} ${one.ariaLabel ?? one.innerText ?? ''}`);
}"""
FOCUSED = """() => {
  const at = window.wanted.indexOf(document.activeElement);
  const hidden = document.activeElement.closest('.behind');
  return [at, at >= 0 && window.looks(document.activeElement) !== window.before[at], hidden ? hidden.id : ''];
}"""


@pytest.mark.parametrize("tab", TABS)
def test_tab_reaches_every_control_and_shows_where_it_is(person: Person, tab: str) -> None:
    page = person.open(tab)
    if tab in ("text", "image", "training"):
        person.more(tab)
    page.evaluate("document.activeElement?.blur(); window.scrollTo(0, 0)")
    wanted: list[str] = page.evaluate(REACHABLE)
    reached: dict[int, Any] = {}
    strays = set()
    for _ in range(len(wanted) + 40):
        page.keyboard.press("Tab")
        at, visible, stray = page.evaluate(FOCUSED)
        if at >= 0:
            reached[at] = visible
        if stray:
            strays.add(stray)
    assert [name for at, name in enumerate(wanted) if at not in reached] == [], "never reached"
    assert [wanted[at] for at, visible in reached.items() if not visible] == [], "focus not to be seen"
    assert strays == set(), "the focus goes where nothing can be seen"
