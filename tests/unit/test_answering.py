"""Values a page's controls do not take get a sentence; those they take pass, several at once too."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from pipelines.errors import StudioError
from studio.tabs.answering import _check_types

CONTROLS: dict[str, Any] = {
    "number": lambda: gr.Number(elem_id="n"),
    "box": lambda: gr.Checkbox(elem_id="n"),
    "menu": lambda: gr.Dropdown(["a"], elem_id="n"),
    "several": lambda: gr.Dropdown(["a", "b"], multiselect=True, elem_id="n"),
    "file": lambda: gr.File(elem_id="n"),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [("number", 1), ("number", 0.5), ("number", None), ("box", True), ("menu", "b"), ("several", []),
     ("several", ["a", "b"]), ("several", None), ("file", {"path": "x"})],
)  # fmt: skip
def test_what_a_control_takes_passes(name: str, value: Any) -> None:
    _check_types([CONTROLS[name]()], [value])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("number", "1", "n must be a number; you gave 1"), ("number", True, "number"), ("box", "yes", "true or false"),
     ("menu", ["a"], "choices"), ("menu", {}, "choices"), ("several", [{}], "choices"), ("file", "/etc/x", "file")],
)  # fmt: skip
def test_what_it_does_not_take_is_a_sentence(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(StudioError, match=sentence):
        _check_types([CONTROLS[name]()], [value])


def test_too_few_values_are_a_sentence() -> None:
    with pytest.raises(StudioError, match="2 values are needed; you gave 1"):
        _check_types([gr.Number(), gr.Number()], [1])
