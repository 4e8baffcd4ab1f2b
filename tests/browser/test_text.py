"""The Text tab: written as one watches, stopped, continued, found again. The page fetches the default model itself."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.people import SLOW, Person

ANSWER = "text-result [data-testid=bot]"
GROWING = "text-bench[data-state=running] [data-testid=bot]"


def write(person: Person, prompt: str) -> str:
    """Asks in the Text tab and returns the answer."""
    person("text-prompt textarea").fill(prompt)
    person("text-make").click()
    person.sees_state("text", "done")
    return person(ANSWER).last.inner_text()


def set_for_ever(person: Person) -> None:
    """A text that does not end by itself for a long while: counting on, always by the likeliest number."""
    person.open("text")
    person.pick("text-mode", "Continue a text")
    person.number("text-max-new-tokens", 2048)
    person.more("text")
    person.number("text-temperature", 0)
    person.number("text-repetition-penalty", 1)
    person("text-prompt textarea").fill("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,")


def test_a_text_is_written_and_says_how_fast_and_with_which_seed(person: Person) -> None:
    person.open("text")
    person.number("text-max-new-tokens", 24)
    assert len(write(person, "Write one sentence about the sea.").split()) > 3
    expect(person("text-result .facts")).to_contain_text(re.compile(r"\d+ tokens.*tokens/s.*Seed \d+"))
    expect(person("text-prompt textarea")).to_have_value("")
    person.sees_idle_device()


def test_the_same_seed_gives_the_same_text_and_says_the_seed(person: Person) -> None:
    person.open("text")
    person.number("text-max-new-tokens", 12)
    person.more("text")
    person.seed("text", 7)
    first = write(person, "Name a colour.")
    expect(person("text-result .facts")).to_contain_text("Seed 7")
    person("text-new").click()
    person.sees_state("text", "idle")
    assert write(person, "Name a colour.") == first


def test_a_conversation_goes_on_with_what_was_said(person: Person) -> None:
    person.open("text")
    person.number("text-max-new-tokens", 8)
    write(person, "My name is Ann.")
    write(person, "What is my name?")
    expect(person("text-result .turn")).to_have_count(4)
    expect(person("text-result [data-testid=user]")).to_have_text(["My name is Ann.", "What is my name?"])


def test_a_growing_text_is_found_again_after_a_reload_and_stop_keeps_it_and_frees_the_device(person: Person) -> None:
    set_for_ever(person)
    person("text-make").click()
    expect(person(GROWING)).to_have_text(re.compile(r"\d+"), timeout=SLOW)
    before = person(GROWING).inner_text()
    person.reload("text")
    expect(person(GROWING)).to_contain_text(before)
    person("text-stop").click()
    person.sees_state("text", "done", timeout=10_000)
    expect(person(ANSWER)).to_contain_text(before)
    expect(person("text-make")).to_be_visible()
    expect(person("text-film .card")).to_have_count(1)
    person.sees_idle_device()


def test_a_text_is_continued_where_it_was_left(person: Person) -> None:
    person.open("text")
    person.pick("text-mode", "Continue a text")
    person.number("text-max-new-tokens", 12)
    written = write(person, "The old bridge over the river")
    assert written.strip()
    expect(person("text-result .sheet-prompt")).to_have_text("The old bridge over the river")
    expect(person("text-prompt textarea")).to_have_value("The old bridge over the river")


def test_an_example_runs_at_one_click(person: Person) -> None:
    person.open("text")
    person.number("text-max-new-tokens", 12)
    words = person("text-example-2").locator("span").last.inner_text()
    person("text-example-2").click()
    person.sees_state("text", "done")
    expect(person("text-result .sheet-prompt")).to_have_text(words)
    expect(person("text-result .sheet-text")).to_have_text(re.compile(r"\w+"))
