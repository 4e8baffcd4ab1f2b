"""How an endpoint is offered: out of sight on the page, with a name, typed parameters and answers as sentences.

Knows gradio's components and what may be posted in their place. Knows no endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import gradio as gr

from pipelines.errors import StudioError
from studio.answers import answered

Info: TypeAlias = dict[str, Any]


def offer(handler: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Makes ``handler`` a public endpoint under its own name. Called inside the page's Blocks."""
    gr.Button(visible=False).click(
        answered(handler),
        list(inputs),
        list(outputs),
        api_name=handler.__name__,
        concurrency_limit=None,
        show_progress="hidden",
    )


def listed(label: str, each: Info) -> gr.JSON:
    """A list, empty where nothing is given; ``each`` is the JSON Schema of what is in it.

    gradio says of JSON that its type is {}, which is no schema: a client of MCP refuses the whole tool.
    """
    made = gr.JSON([], label=label)
    made.api_info = lambda: {"type": "array", "items": each}  # type: ignore[method-assign]
    made.each = {"string": str, "array": list}[each["type"]]  # type: ignore[attr-defined]  # see studio.tabs.answering
    return made


def json_object(text: str) -> Info:
    """``text`` as a JSON object, or a sentence that says what it is not."""
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise StudioError(
            "json.broken",
            "settings_json is not JSON: {reason} at character {place}.",
            reason=error.msg,
            place=error.pos,
        ) from None
    if not isinstance(found, dict):
        raise StudioError(
            "json.object", "settings_json must be a JSON object such as {example}.", example='{"seconds": 60}'
        )
    return found


def whole(name: str, value: object) -> int:
    """A posted number as an int, or a sentence with its name and value."""
    if isinstance(value, (int, float)) and value == value and abs(value) < 2**53 and int(value) == value:
        return int(value)
    raise StudioError(
        "rule.whole", "{field} must be a whole number; you gave {value}.", field=name, value=str(value)[:40]
    )
