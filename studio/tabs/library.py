"""The Library tab: everything a person made, newest first. What is done with an item goes through the courier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.locales import i18n
from studio.owners import owner_of
from studio.tabs.film import cards
from studio.tabs.parts import QUIET
from studio.tabs.sharing import links
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

PAGE = 60
KINDS = {
    "all": (),
    "pictures": ("image", "style", "sample", "explore"),
    "texts": ("text",),
    "generators": ("training", "sticker_training"),
}


class LibraryTab:
    """A filter and a grid, which is fetched when the tab is opened."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Column(elem_id="library-bench", elem_classes="bench-wide"):
            choices = [(str(i18n(f"library.{name}")), name) for name in KINDS]
            self.filter = gr.Radio(
                choices,
                value="all",
                label=i18n("library.filter"),
                show_label=False,
                container=False,
                elem_id="library-filter",
                elem_classes="segmented",
            )
            self.grid = widget("library", "library-grid", None, events=("further",))
        self.filter.change(self.show, self.filter, self.grid, **QUIET)
        self.grid.further(self.show_more, [self.filter], self.grid, trigger_mode="multiple", **QUIET)

    def show(self, chosen: str, request: gr.Request) -> dict[str, Any]:
        return self.page(owner_of(request), chosen, PAGE)

    def show_more(self, chosen: str, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """A longer grid. What is asked for comes from the page, so it is bounded here."""
        wanted = event._data.get("count", PAGE) if isinstance(event._data, dict) else PAGE
        count = wanted if isinstance(wanted, int) and 0 < wanted <= 2000 else PAGE
        return self.page(owner_of(request), chosen, count)

    def page(self, owner: str, chosen: str, count: int = PAGE) -> dict[str, Any]:
        """The newest ``count`` items, whether there are more, and the links to what is shared."""
        found = cards(self.studio, owner, KINDS.get(chosen, ()), limit=count + 1)
        shared = links(self.studio, owner)
        return {"items": found[:count], "more": len(found) > count, "filter": chosen, "shared": shared}


def build(studio: Any) -> LibraryTab:
    """The tab, laid out where it is called."""
    return LibraryTab(studio)
