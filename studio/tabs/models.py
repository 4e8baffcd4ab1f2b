"""Model menus from the catalogue, and the cards that say what can be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.entries import Entry
from studio.locales import Language, both, i18n
from studio.tabs.views import size

if TYPE_CHECKING:
    from studio.services import Studio


def model_menu(studio: Studio, kind: str) -> gr.Dropdown:
    """The catalogue's models of a task; a Hugging Face id may be typed."""
    chosen = chosen_first(studio, kind)
    return gr.Dropdown(
        [(both(entry.title, entry.title_zh), entry.name) for entry in studio.catalog.entries(kind)],
        value=chosen.name if chosen else "",
        allow_custom_value=True,
        filterable=True,
        label=i18n("field.model"),
        info=i18n("help.model"),
        elem_id=f"{kind}-model",
    )


def chosen_first(studio: Studio, kind: str) -> Entry | None:
    """The task's default, else one that is on this machine, else the first of the list."""
    entries = studio.catalog.entries(kind)
    chosen = studio.catalog.default(kind) or next(filter(studio.catalog.is_ready, entries), None)
    return chosen or next(iter(entries), None)


def menu_choices(studio: Studio, kind: str, language: Language) -> list[tuple[str, str]]:
    """(title, name) of the models there are at this moment."""
    return [(_title(entry)[language], entry.name) for entry in studio.catalog.entries(kind)]


def fetch_note(studio: Studio, entry: Entry) -> dict[str, Any]:
    """What the line near the button says of a model that is not here yet; the size is empty where nobody knows it."""
    return {"title": _title(entry), "size": _fetched(studio, entry), "gated": entry.gated}


def _fetched(studio: Studio, entry: Entry) -> str:
    """How much there is to fetch, in words; empty where nobody knows it."""
    known = studio.catalog.known_size(entry)
    return size(known) if known else ""


def model_cards(studio: Studio, kind: str) -> list[dict[str, Any]]:
    """What the page says of each model: size, licence, memory, and whether it is on this machine already."""
    return [_card(studio, entry) for entry in studio.catalog.entries(kind)]


def model_titles(studio: Studio) -> dict[str, dict[str, str]]:
    """What each model of the catalogue is called, by name."""
    return {entry.name: _title(entry) for entry in studio.catalog.entries()}


def _title(entry: Entry) -> dict[str, str]:
    return {"en": entry.title, "zh": entry.title_zh or entry.title}


def _card(studio: Studio, entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": _title(entry),
        "summary": {"en": entry.summary, "zh": entry.summary_zh or entry.summary},
        "licence": entry.licence,
        "size": _fetched(studio, entry),
        "memory": size(entry.min_memory_bytes) if entry.min_memory_bytes else "",
        "ready": studio.catalog.is_ready(entry),
        "default": entry.default,
        "gated": entry.gated,
    }
