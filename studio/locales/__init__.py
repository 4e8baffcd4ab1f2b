"""Every visible string, in English and Chinese, and which of the two a person reads.

Knows the two JSON files and how a browser says its language. Component labels are translated in the browser
(``i18n``), sentences made here by ``t`` and ``sentence``; both read the same files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import gradio as gr

from pipelines.errors import StudioError
from pipelines.training.finding_names import FINDINGS, FOUND

Language: TypeAlias = Literal["en", "zh"]


class HasHeaders(Protocol):
    """A request of gradio's or FastAPI's."""

    @property
    def headers(self) -> Any: ...


def _read(language: Language) -> dict[str, Any]:
    path = Path(__file__).with_name(f"{language}.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"{path.name} does not hold an object")
    return found


_FILES: dict[Language, dict[str, Any]] = {"en": _read("en"), "zh": _read("zh")}
STRINGS: dict[Language, dict[str, str]] = {
    language: {key: text for key, text in strings.items() if isinstance(text, str)}
    for language, strings in _FILES.items()
}
#: translations of the templates that stand beside the rules in the code; English needs none
ERRORS: Mapping[str, str] = _FILES["zh"]["errors"]

#: the same for what is marked on the curves of a training
MARKS: Mapping[str, str] = _FILES["zh"]["marks"]

i18n = gr.I18n(en=STRINGS["en"], zh=STRINGS["zh"])


def t(key: str, language: Language, **values: object) -> str:
    """The sentence named ``key`` with its fields filled. A missing key is a ``KeyError``: a bug, found by a test."""
    return STRINGS[language][key].format(**values)


def known(key: str, language: Language, otherwise: str) -> str:
    """The string named ``key``, or ``otherwise`` for names that plug-ins and data bring along."""
    return STRINGS[language].get(key, otherwise)


def both(en: str, zh: str) -> str:
    """A label for a component from data that carries its own translation, such as a model's title."""
    key = f"both.{en}"
    STRINGS["en"][key], STRINGS["zh"][key] = en, zh or en
    return str(i18n(key))


def name(key: str, en: str, zh: str) -> None:
    """Adds a name that data brings along, such as a style's; it is part of the page from then on."""
    STRINGS["en"][f"name.{key}"], STRINGS["zh"][f"name.{key}"] = en, zh or en


def language_of(request: HasHeaders | None) -> Language:
    """The language the browser likes best of the two, English where it likes neither."""
    header = "" if request is None else str(request.headers.get("accept-language") or "")
    best: tuple[float, Language] = (0.0, "en")
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        liking = _number(weight)
        for language in STRINGS:
            if tag.lower().split("-")[0] == language and liking > best[0]:
                best = (liking, language)
    return best[1]


def _number(weight: str) -> float:
    try:
        return float(weight) if weight else 1.0
    except ValueError:  # a header can hold anything
        return 0.0


def marked(mark: Mapping[str, Any], language: Language) -> str:
    """What a ``Mark`` event says, in the person's language; plug-ins' marks stay as they are."""
    key = str(mark.get("key", ""))
    if language == "zh" and (found := FINDINGS.get(key.removeprefix(FOUND))) and key.startswith(FOUND):
        return found.title_zh
    template = MARKS.get(key) if language == "zh" else None
    return template.format(**_named(mark["values"], language)) if template else str(mark["text"])


def sentence(error: StudioError, language: Language) -> str:
    """What ``error`` says, in the person's language, with the name a setting has on the page."""
    template = ERRORS.get(error.key, error.sentence) if language == "zh" else error.sentence
    return template.format(**_named(error.values, language))


def _named(values: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """``values`` with settings, states and tasks called as the page calls them."""
    named = dict(values)
    for name, prefix in (
        ("field", "field"),
        ("setting", "field"),
        ("state", "state"),
        ("task", "tab"),
        ("role", "role"),
    ):
        if isinstance(word := named.get(name), str):
            named[name] = known(f"{prefix}.{word}", language, word)
    return named
