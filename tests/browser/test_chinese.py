"""A Chinese browser sees Chinese: no English string of ours anywhere, on any tab, empty, done or refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.people import TABS, Person

LOCALES = Path(__file__).resolve().parents[2] / "studio" / "locales"

#: every piece of text, and every label, hint and title, that can be seen or heard. Left out: what recipes hold (names,
#: versions), the hidden file inputs and the button of gradio's own toasts
WORDS = """() => {
  const ours = (one) => one.checkVisibility({visibilityProperty: true}) &&
    !one.closest('script, style, dd, .behind, .toast-wrap button, .toast-wrap svg');
  const pieces = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    if (ours(walker.currentNode.parentElement)) pieces.push(...walker.currentNode.data.split('\\n'));
  const names = ['aria-label', 'placeholder', 'title', 'alt'];
  for (const one of document.querySelectorAll(names.map((name) => `[${name}]`).join()))
    if (ours(one)) pieces.push(...names.map((name) => one.getAttribute(name) ?? ''));
  return [...new Set(pieces.map((piece) => piece.trim()).filter(Boolean))];
}"""
#: names and units stay as they are in any language; gradio itself puts an English phrase before a slider's label
NAMES = re.compile(
    r"Atelier|atelier from source|Hugging Face|Ctrl\+Enter|Esc|Apache-2\.0|API|SmolLM2|Magenta|Llama|Qwen3|DPM\+\+|"
    r"Karras|UniPC|Euler|Heun|MNIST|Fashion|PNG|JPEG|WebP|GIF|BMP|TIFF|GAN|R1|CPU|GPU|Intel|AMD|Xeon|EPYC|GB|MB|kB|px|"
    r"tiny-sd|tiny-stickers|(?:number input for|range slider for)? ?Top-[pk]"
)


def strings(language: str) -> dict[str, str]:
    read: dict[str, object] = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    return {key: text for key, text in read.items() if isinstance(text, str)}


def ours() -> dict[str, re.Pattern[str]]:
    """Every English string longer than three characters that is another in Chinese, as a pattern of a whole line."""
    chinese = strings("zh")
    patterns = {}
    for key, text in strings("en").items():
        bare = re.sub(r"\{\w+\}", "", text).strip(" ,;:%×")
        if len(bare) > 3 and chinese.get(key) != text:
            patterns[key] = re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(text)))
    return patterns


def leaks(person: Person, patterns: dict[str, re.Pattern[str]]) -> list[str]:
    """English strings of ours, and lines that have Latin words but no Chinese and are no names."""
    found = []
    for line in person.page.evaluate(WORDS):
        key = next((key for key, pattern in patterns.items() if pattern.fullmatch(line)), None)
        foreign = re.search(r"[A-Za-z]{4,}", NAMES.sub("", line)) and not re.search(r"[\u4e00-\u9fff]", line)
        if key or foreign:
            found.append(f"{key or 'not ours'}: {line}")
    return found


@pytest.fixture
def chinese(new_person: NewPerson) -> Person:
    return new_person(locale="zh-CN")


def test_every_tab_is_chinese_when_it_is_empty(chinese: Person) -> None:
    patterns = ours()
    chinese.open("text")
    expect(chinese.page.locator("html")).to_have_attribute("lang", "zh-CN")
    found = {}
    for tab in TABS:
        chinese.go(tab)
        if tab in ("text", "image", "training"):
            chinese.more(tab)
        found[tab] = leaks(chinese, patterns)
    assert not any(found.values()), found


def test_results_recipes_and_refusals_are_chinese(chinese: Person) -> None:
    patterns = ours()
    chinese.open("style")
    chinese("style-make").click()
    chinese.sees_state("style", "failed", timeout=10_000)
    expect(chinese("style-result .notice")).to_have_text(re.compile(r"[\u4e00-\u9fff]{2}"))
    found = {"refused": leaks(chinese, patterns)}
    chinese.page.get_by_test_id("toast-close").first.click()
    chinese("style-example-5").click()
    chinese.sees_state("style", "done")
    found["done"] = leaks(chinese, patterns)
    chinese("style-film .card").click()
    expect(chinese("item-dialog .recipe")).to_be_visible()
    found["recipe"] = leaks(chinese, patterns)
    chinese("item-close").click()
    chinese.go("library")
    found["library"] = leaks(chinese, patterns)
    assert not any(found.values()), found


def test_a_training_is_watched_in_chinese(chinese: Person) -> None:
    patterns = ours()
    chinese.open("training")
    chinese.number("training-seconds", 2)
    chinese("training-start").click()
    expect(chinese("training-samples img").first).to_be_visible(timeout=60_000)
    found = {"running": leaks(chinese, patterns)}
    label = chinese("training-curves .curves-plots").get_attribute("aria-label") or ""
    found["curves"] = [label] if re.search(r"[A-Za-z]{4,}", NAMES.sub("", label)) else []
    chinese.sees_state("training", "done")
    found["done"] = leaks(chinese, patterns)
    assert not any(found.values()), found
