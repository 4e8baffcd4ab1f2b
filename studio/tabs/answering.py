"""A page whose every failure is a sentence, also where gradio stumbles over a posted value before a handler hears it.

Knows gradio's way of passing posted values on. What the values mean is for the handlers.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipelines.errors import StudioError
from studio.answers import REFUSALS, OnOurSide, as_gradio
from studio.locales import language_of

#: what gradio hands on as it came, or does arithmetic with, and the types it has to be for that
_TYPES: tuple[tuple[type[Any], tuple[type[Any], ...], str], ...] = (
    (gr.Number, (int, float), "number"),
    (gr.Slider, (int, float), "number"),
    (gr.Checkbox, (bool,), "bool"),
    (gr.File, (dict, list), "file"),
    (gr.Dropdown, (str, int, float), "choice"),
    (gr.Radio, (str, int, float), "choice"),
)


class AnsweringPage(gr.Blocks):
    """``gr.Blocks`` with our errors."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **more: Any) -> list[Any]:
        _check_types(block_fn.inputs, inputs)
        try:
            found: list[Any] = await super().preprocess_data(
                block_fn, _with_text(block_fn.inputs, inputs), *args, **more
            )
        except (gr.Error, StudioError):
            raise
        except Exception as error:  # whatever a component stumbles over was posted
            name = str(block_fn.api_name or block_fn.name)
            raise StudioError("input.values", "{name} cannot take the values that were posted.", name=name) from error
        return found

    async def process_api(self, *args: Any, **more: Any) -> dict[str, Any]:
        request = more.get("request")
        try:
            done: dict[str, Any] = await super().process_api(*args, **more)
        except Exception as error:  # noqa: BLE001 - the outermost place: everything becomes an answer
            told = as_gradio(error, language_of(request) if isinstance(request, gr.Request) else "en")
            scope = getattr(getattr(request, "request", None), "scope", {})
            if not isinstance(told, OnOurSide) and REFUSALS in scope:
                scope[REFUSALS].append(told)
            raise told from None
        return done


def _check_types(blocks: Any, values: list[Any]) -> None:
    if len(values) < len(blocks):
        raise StudioError(
            "input.few", "{wanted} values are needed; you gave {value}.", wanted=len(blocks), value=len(values)
        )
    for block, value in zip(blocks, values, strict=False):
        each = getattr(block, "each", None)
        if each and value is not None and not (isinstance(value, list) and all(isinstance(one, each) for one in value)):
            raise _wrong("list", _called(block), str(value)[:60])
        for kind, types, rule in _TYPES:
            several = value if isinstance(value, list) and getattr(block, "multiselect", False) else [value]
            if isinstance(block, kind) and value is not None and not all(_is_one(one, types) for one in several):
                raise _wrong(rule, _called(block), str(value)[:60])


def _called(block: Any) -> str:
    """A control of the page by its id, as its label is in the language of whoever looks at it."""
    return str(block.elem_id or getattr(block, "label", "") or "")


def _with_text(blocks: Any, values: list[Any]) -> list[Any]:
    """``values`` with an empty text where null was posted for one; gradio hands null on."""
    found = [
        "" if value is None and isinstance(block, gr.Textbox) else value
        for block, value in zip(blocks, values, strict=False)
    ]
    return [*found, *values[len(found) :]]


def _is_one(value: Any, types: tuple[type[Any], ...]) -> bool:
    return isinstance(value, types) and not (isinstance(value, bool) and bool not in types)


def _wrong(rule: str, field: str, value: str) -> StudioError:
    match rule:
        case "number":
            return StudioError("input.number", "{field} must be a number; you gave {value}.", field=field, value=value)
        case "bool":
            return StudioError(
                "input.bool", "{field} must be true or false; you gave {value}.", field=field, value=value
            )
        case "list":
            return StudioError(
                "input.list", "{field} must be a list of what it holds; you gave {value}.", field=field, value=value
            )
        case "choice":
            return StudioError(
                "input.choice", "{field} must be one of its choices; you gave {value}.", field=field, value=value
            )
        case _:
            return StudioError(
                "input.file", "{field} must be an uploaded file; you gave {value}.", field=field, value=value
            )
