"""A section of the Administration tab: a panel that a script draws, and what an administrator does in it.

To add one: a module ``studio/tabs/NAME.py`` with ``build(studio) -> Section``, its name in ``SECTIONS`` of
``administration.py``, a widget of the same name in assets/js/main.js, and the words ``administration.NAME``. Whoever
is no administrator is refused here, whatever was posted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.errors import StudioError
from studio.accounts.person import Person
from studio.accounts.roles import account_of
from studio.locales import language_of
from studio.owners import owner_of
from studio.tabs.following import refuse, report
from studio.tabs.parts import QUIET
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio


class Section:
    """``name`` names the widget, its title and its element. Its script triggers ``act`` with a small message and gets
    a new value back; the value comes anew each time the tab is opened."""

    name: str

    def __init__(self, studio: Studio, **fixed: Any) -> None:
        self.studio = studio
        with gr.Column(elem_id=f"administration-{self.name}", elem_classes="administration-section"):
            gr.HTML(
                f'<h2 class="section-title" data-i18n="administration.{self.name}"></h2>',
                elem_classes="plain",
                padding=False,
            )
            self.panel = widget(self.name, f"{self.name}-panel", None, events=("act",), **fixed)
        self.panel.act(self.acted, None, self.panel, trigger_mode="multiple", **QUIET)

    def value(self, by: Person) -> dict[str, Any]:
        """What the panel shows."""
        raise NotImplementedError

    def act(self, by: Person, message: dict[str, Any]) -> dict[str, Any]:
        """Does what the panel's script asks for; what it returns is laid over ``value``. Everything is checked here."""
        raise NotImplementedError

    def show(self, request: gr.Request) -> dict[str, Any] | None:
        """The panel's value; nothing for whoever is no administrator."""
        by = administrator(self.studio, request)
        return None if by is None else self.value(by)

    def acted(self, event: gr.EventData, request: gr.Request) -> Any:
        """An act, or a sentence in a toast that says why not."""
        language = language_of(request)
        try:
            by = administrator(self.studio, request)
            if by is None:
                raise StudioError("role.administrator", "Only an administrator may do this.")
            message = event._data if isinstance(event._data, dict) else {}
            done = self.act(by, message)
            return {**self.value(by), **done}
        except StudioError as error:
            refuse(error, language)
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            report(error, language)
        return gr.skip()


def administrator(studio: Studio, request: gr.Request) -> Person | None:
    """Who asks, if it is an administrator at this moment."""
    number = account_of(owner_of(request)) if studio.accounts.required else None
    person = None if number is None else studio.accounts.person(number)
    return person if person is not None and person.role == "administrator" else None
