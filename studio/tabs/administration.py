"""The Administration tab: one section under the other. There with accounts only, and seen by administrators only.

That it is hidden from others is a courtesy; each section looks itself who asks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.tabs.section import Section, administrator

if TYPE_CHECKING:
    from studio.services import Studio

#: modules of studio.tabs with ``build(studio) -> Section``, from top to bottom
SECTIONS = ("devices", "looking_after", "people")


class AdministrationTab:
    """The sections and their panels."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Column(elem_id="administration-bench", elem_classes="bench-wide"):
            self.sections = [_section(studio, name) for name in SECTIONS]
        self.panels = [section.panel for section in self.sections]

    def reveal(self, request: gr.Request) -> Any:
        """The tab itself, shown to an administrator."""
        return gr.Tab(visible=administrator(self.studio, request) is not None)

    def show(self, request: gr.Request) -> Any:
        """A fresh value for every panel."""
        values = [section.show(request) for section in self.sections]
        return values if len(values) > 1 else values[0]


def _section(studio: Studio, name: str) -> Section:
    section = import_module(f"studio.tabs.{name}").build(studio)
    if not isinstance(section, Section):
        raise TypeError(f"studio.tabs.{name} builds no section")
    return section
