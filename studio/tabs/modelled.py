"""A tab with a menu of models: which there are now, what has to be fetched first, and the settings a model wants.

Knows the catalogue and two components, the menu and the line near the button. Never asks the network.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipelines.entries import Entry
from pipelines.errors import StudioError
from studio.locales import language_of
from studio.owners import owner_of
from studio.tabs.models import chosen_first, fetch_note, menu_choices, model_menu
from studio.tabs.parts import QUIET, Updates
from studio.tabs.proposing import propose
from studio.tabs.tab import Tab
from studio.widgets import widget


class ModelTab(Tab):
    """A tab of a task of the catalogue."""

    note: gr.HTML
    menu: gr.Dropdown

    def lay_note(self) -> None:
        """The line near the button, which says what Make fetches first; empty where the model is here."""
        self.note = widget("to-fetch", f"{self.kind}-to-fetch", None, events=("mounted",))

    def lay_menu(self) -> None:
        """The menu. The controls laid out after it begin with what the model chosen at first wants."""
        first = chosen_first(self.studio, self.kind)
        self.controls.preferred = dict(first.settings) if first else {}
        self.menu = self.controls.keep("model", model_menu(self.studio, self.kind))

    def wire(self) -> None:
        super().wire()
        menu = self.menu
        self.note.mounted(self.look_again, menu, [menu, self.note], **QUIET)
        menu.change(self.announce, menu, self.note, **QUIET)
        for end in self.ends:
            end.then(self.announce, menu, self.note, **QUIET)
        names = sorted({name for entry in self.studio.catalog.entries(self.kind) for name in entry.settings})
        if names:
            wanted = [self.controls.fields[name] for name in names]
            propose(menu.select, self.prefer, [menu], wanted)

    def look_again(self, model: str | None, request: gr.Request) -> tuple[Any, dict[str, Any] | None]:
        """The menu with what was fetched or added since the page was built; only an administrator may type an id."""
        choices = menu_choices(self.studio, self.kind, language_of(request))
        may_add = self.studio.accounts.role_of(owner_of(request)) == "administrator"
        return gr.Dropdown(choices=choices, allow_custom_value=may_add), self.announce(model)

    def entry(self, model: str | None) -> Entry | None:
        """The model that is chosen; None where there is none of that name, which is said when it is used."""
        try:
            return self.studio.catalog.resolve(str(model or ""), self.kind)
        except StudioError:
            return None

    def announce(self, model: str | None) -> dict[str, Any] | None:
        entry = self.entry(model)
        return None if entry is None or self.studio.catalog.is_ready(entry) else fetch_note(self.studio, entry)

    def prefer(self, model: str | None, *posted: Any) -> Updates:
        """Sets what the chosen model wants; what only another model wanted goes back to where it was."""
        entries = self.studio.catalog.entries(self.kind)
        names = sorted({name for entry in entries for name in entry.settings})
        settings: dict[str, Any] = {}
        if any(_as_wanted(entry, dict(zip(names, posted, strict=True))) for entry in entries):
            settings |= {name: self.request.model_fields[name].default for name in names}
        chosen = self.studio.catalog.named(model or "")
        settings |= chosen.settings if chosen else {}
        fields = self.controls.fields
        return {fields[name]: value for name, value in settings.items()}


def _as_wanted(entry: Entry, now: dict[str, Any]) -> bool:
    """Whether the controls stand exactly as this model wants them, so that nobody changed them by hand."""
    return bool(entry.settings) and all(now[name] == value for name, value in entry.settings.items())
