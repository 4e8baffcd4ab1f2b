"""The Library tab: everything a person made. Its script looks through it by the routes of ``studio.shelf``.

What is done with one item goes through the courier, with many through the same routes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.owners import owner_of
from studio.tabs.sharing import links
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio


class LibraryTab:
    """One widget. A new value makes it look again: when the tab is opened, and when the courier changed something."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Column(elem_id="library-bench", elem_classes="bench-wide"):
            self.grid = widget("library", "library-grid", None)

    def show(self, request: gr.Request) -> dict[str, Any]:
        return self.page(owner_of(request))

    def page(self, owner: str) -> dict[str, Any]:
        """When it changed, and the links to what is shared."""
        return {"at": time.time(), "shared": links(self.studio, owner)}


def build(studio: Any) -> LibraryTab:
    """The tab, laid out where it is called."""
    return LibraryTab(studio)
