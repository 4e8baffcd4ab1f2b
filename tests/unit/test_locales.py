"""Every visible string is there in both languages, with the same fields; every error can be said in Chinese."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.base import Request
from pipelines.errors import StudioError
from pipelines.registry import registrations
from pipelines.requests import TextRequest
from studio.locales import ERRORS, MARKS, STRINGS, language_of, marked, sentence, t

ROOT = Path(__file__).resolve().parents[2]


class Headers:
    def __init__(self, accept: str) -> None:
        self.headers = {"accept-language": accept}


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def marks() -> dict[str, str]:
    """Template of every mark on the curves of a training, by key: the literals in a call of ``mark`` or ``_mark``."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "pipelines").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("mark", "_mark"):
                words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                found[words[0]] = words[1]
    return found


def raised() -> Iterator[tuple[str, str, str]]:
    """(key, template, where) of every error in the code whose first two arguments are literals."""
    for path in sorted([*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "studio").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) >= 2 and _names_an_error(node.func):
                key, template = node.args[:2]
                if isinstance(key, ast.Constant) and isinstance(template, ast.Constant):
                    yield str(key.value), str(template.value), f"{path.name}:{node.lineno}"


def _names_an_error(function: ast.expr) -> bool:
    """``StudioError``, ``Busy``, what is kept of them, or a subclass that hands both on to ``super().__init__``."""
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name in ("StudioError", "Busy", "ErrorSentence", "__init__")


def test_both_languages_have_the_same_strings() -> None:
    assert STRINGS["en"].keys() == STRINGS["zh"].keys()


def test_a_string_has_the_same_fields_in_both_languages() -> None:
    differing = [key for key, text in STRINGS["en"].items() if fields(text) != fields(STRINGS["zh"][key])]
    assert differing == []


def test_no_string_is_empty() -> None:
    assert [key for language in STRINGS.values() for key, text in language.items() if not text.strip()] == []


def test_the_scan_finds_the_errors() -> None:
    assert {"rule.least", "prompt.empty", "job.unknown", "busy.all"} <= {key for key, _, _ in raised()}


def test_every_error_can_be_said_in_chinese_with_the_same_fields() -> None:
    wrong = [f"{where}: {key}" for key, template, where in raised() if fields(ERRORS.get(key, "")) != fields(template)]
    missing = [f"{where}: {key}" for key, _, where in raised() if key not in ERRORS]
    assert missing == []
    assert wrong == []


def test_every_mark_on_the_curves_can_be_said_in_chinese_with_the_same_fields() -> None:
    assert {key: fields(text) for key, text in MARKS.items()} == {key: fields(text) for key, text in marks().items()}


def test_a_mark_is_said_in_the_persons_language_and_one_without_a_key_as_it_came() -> None:
    mark = {"text": "resumed at step 7", "key": "resumed", "values": {"step": 7}}
    assert marked(mark, "en") == "resumed at step 7"
    assert marked(mark, "zh") == "从第 7 步继续"
    assert marked({"text": "a plug-in's own"}, "zh") == "a plug-in's own"


def test_no_translation_is_left_of_an_error_that_is_gone() -> None:
    assert sorted(ERRORS.keys() - {key for key, _, _ in raised()}) == []


@pytest.mark.parametrize("request_class", [entry.request for entry in registrations()], ids=lambda one: one.__name__)
def test_every_setting_has_a_name_in_words(request_class: type[Request]) -> None:
    assert [name for name in request_class.model_fields if f"field.{name}" not in STRINGS["en"]] == []


def test_strings_the_scripts_name_exist() -> None:
    """``t("key")`` in our scripts; keys that are put together are checked by their beginning."""
    unknown = []
    for path in (ROOT / "assets" / "js").glob("*.js"):
        source = path.read_text(encoding="utf-8")
        for key in re.findall(r'(?<![\w.])t\("([^"]+)"', source):
            if key not in STRINGS["en"]:
                unknown.append(f"{path.name}: {key}")
        for start in re.findall(r"(?<![\w.])t\(`([a-z.]+)\$\{", source):
            if not any(key.startswith(start) for key in STRINGS["en"]):
                unknown.append(f"{path.name}: {start}")
    assert unknown == []


def test_strings_the_page_names_exist() -> None:
    unknown = []
    for path in (ROOT / "studio").rglob("*.py"):
        for key in re.findall(r'\b(?:i18n|t)\("([a-z_.0-9-]+)"', path.read_text(encoding="utf-8")):
            if key not in STRINGS["en"]:
                unknown.append(f"{path.name}: {key}")
    assert unknown == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr-FR,fr;q=0.9", "en"),
        ("fr, zh-TW;q=0.4", "zh"),
        ("", "en"),
        ("zh;q=broken", "en"),
    ],
)
def test_the_browser_says_which_language(header: str, language: str) -> None:
    assert language_of(Headers(header)) == language


def test_a_rule_names_the_setting_as_the_page_does() -> None:
    with pytest.raises(StudioError) as caught:
        TextRequest.parse({"prompt": "a", "temperature": 3})
    assert sentence(caught.value, "en") == "Temperature must be at most 2.0; you gave 3."
    assert sentence(caught.value, "zh") == "“温度”不能大于 2.0；你给的是 3。"


def test_braces_somebody_typed_are_not_fields() -> None:
    error = StudioError("rule.unknown", "There is no setting named {field}.", field="{evil.__class__}")
    assert "{evil.__class__}" in sentence(error, "zh")


def test_a_missing_key_is_a_bug_and_says_so() -> None:
    with pytest.raises(KeyError):
        t("no.such.key", "en")
