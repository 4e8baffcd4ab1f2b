"""Carries what a person does with a result to where it belongs: again, send to another tab, open, delete, try.

The page's scripts hand over a small message; every name in it is checked here against what there is. One listener
serves the whole page, since only here all tabs are known.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from studio.library.library import Item
from studio.locales import Language, language_of
from studio.owners import owner_of
from studio.tabs.film import card, cards, settings_of, text_of
from studio.tabs.following import refuse, report
from studio.tabs.library import LibraryTab
from studio.tabs.own import KIND as OWN_KIND
from studio.tabs.parts import QUIET, Updates
from studio.tabs.sharing import links, share, take_back
from studio.tabs.tab import Tab
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

MAX_TEXT = 20_000


class Courier:
    """``tabs`` by kind. Messages are objects with an ``action`` and what it needs."""

    def __init__(self, studio: Studio, pages: gr.Tabs, tabs: Mapping[str, Tab], library: LibraryTab) -> None:
        self.studio = studio
        self.pages = pages
        self.tabs = tabs
        self.library = library
        self.element = widget("courier", "courier", None, events=("deliver",))
        targets: list[Component] = [one for tab in tabs.values() for one in [*tab.targets, tab.film, tab.stage]]
        outputs = list(dict.fromkeys([self.element, pages, library.grid, *targets]))
        # one message may come while another is under way, which gradio would drop by default
        self.element.deliver(self.deliver, None, outputs, trigger_mode="multiple", **QUIET)

    def deliver(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Does what a message asks for. A message that makes no sense is refused as a sentence."""
        owner, language = owner_of(request), language_of(request)
        try:
            return self._done(event._data, owner, language)
        except StudioError as error:
            refuse(error, language)
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            report(error, language)
        return {self.element: gr.skip()}

    def _done(self, message: Any, owner: str, language: Language) -> Updates:
        match message:
            case {"action": "example" | "fill" as action, "kind": str(kind), "index": int(index)} if kind in self.tabs:
                examples = self.tabs[kind].examples
                if not 0 <= index < len(examples):
                    raise _nonsense(message)
                after = self._say("make", kind=kind) if action == "example" else {}
                return {**self.tabs[kind].fill(owner, examples[index], language), **after}
            case {"action": "model", "kind": str(kind), "name": str(name)} if kind in self.tabs:
                entry = self.studio.catalog.resolve(name, kind)
                settings = {**entry.settings, "model": entry.name}
                return {**self.tabs[kind].fill(owner, settings, language), **self._say("focus", kind=kind)}
            case {"action": "open", "item": str(item_id)}:
                item = self.studio.library.get(owner, item_id)
                return self._say("open", item=card(self.studio, item, whole=True))
            case {"action": "again", "item": str(item_id)}:
                return self._again(self.studio.library.get(owner, item_id), owner, language)
            case {"action": "send", "item": str(item_id), "to": str(to)}:
                return self._send(self.studio.library.get(owner, item_id), to, owner, language)
            case {"action": "delete", "item": str(item_id)}:
                return self._delete(self.studio.library.get(owner, item_id), owner)
            case {"action": "share", "item": str(item_id), "days": int(days)}:
                return self._shared(owner, item_id, share(self.studio, owner, item_id, days))
            case {"action": "take back", "share": int(number)}:
                take_back(self.studio, owner, number)
                return self._shared(owner)
            case {"action": "links"}:
                return self._shared(owner)
            case {"action": "steer", "job": str(job_id), "changes": dict(changes)}:
                self.studio.jobs.steer(owner, job_id, changes)
                return {self.element: gr.skip()}
            case {"action": "finish", "job": str(job_id)}:
                self.studio.jobs.finish(owner, job_id)
                return {self.element: gr.skip()}
            case {"action": "branch", "job": str(job_id), "step": int(step), "changes": dict(changes)}:
                job = self.studio.jobs.branch(owner, job_id, step, changes)
                return self._say("follow", kind=job.kind)
        raise _nonsense(message)

    def _again(self, item: Item, owner: str, language: Language) -> Updates:
        kind = str(item.recipe.get("kind", item.kind))
        if kind == "upscale":
            return self._upscale(owner, **{name: settings_of(item)[name] for name in ("picture", "factor")})
        return self._filled(kind, settings_of(item), owner, language)

    def _send(self, item: Item, to: str, owner: str, language: Language) -> Updates:
        picture, text = item.media_type.startswith("image/"), item.media_type.startswith("text/")
        if to == "style-photo" and picture:
            return self._filled("style", {"photo": item.digest}, owner, language)
        if to == "style-picture" and picture:
            return self._filled("style", {"style_picture": item.digest}, owner, language)
        if to in ("upscale-2", "upscale-4") and picture:
            return self._upscale(owner, item.digest, int(to[-1]))
        if to in ("image-picture", "image-paint", "image-extend") and picture:
            return self._filled("image", begun_from(item, to.removeprefix("image-")), owner, language)
        if to in ("text-prompt", "image-prompt") and text:
            words = text_of(self.studio, item, MAX_TEXT)
            return self._filled(to.split("-")[0], {"prompt": words}, owner, language)
        if to == "sample-generator" and item.kind == "training" and item.name.endswith(".safetensors"):
            return self._filled("sample", {"generator": item.digest}, owner, language)
        if to == "training-run" and item.kind == "training" and item.job_id:
            run = self.tabs["training"].past(owner, item.job_id, language)
            return {**run, self.pages: gr.Tabs(selected="training"), **self._say("focus", kind="training")}
        if to == "image-weights" and item.kind == OWN_KIND and item.name.endswith(".safetensors"):
            settings = {"weights": item.digest, "model": item.recipe.get("model")}
            return self._filled("image", settings, owner, language)
        raise _nonsense(to)

    def _upscale(self, owner: str, picture: str, factor: int) -> Updates:
        """Begun at once, as there is nothing more to choose, and shown on the Image tab."""
        self.studio.submit(owner, "upscale", {"picture": picture, "factor": factor})
        return {self.pages: gr.Tabs(selected="image"), **self._say("follow", kind="image")}

    def _filled(self, kind: str, settings: Mapping[str, Any], owner: str, language: Language) -> Updates:
        page = "training" if kind in ("sample", "explore", OWN_KIND) else kind
        return {
            **self.tabs[kind].fill(owner, settings, language),
            self.pages: gr.Tabs(selected=page),
            **self._say("focus", kind=page if kind == OWN_KIND else kind),
        }

    def _shared(self, owner: str, item: str = "", link: str = "") -> Updates:
        """The links there are now, and the words of the one just made, which nobody can ask for again."""
        mine = links(self.studio, owner)
        return {**self._shelf(owner), **self._say("shared", item=item, link=link, links=mine)}

    def _shelf(self, owner: str) -> Updates:
        return {self.library.grid: self.library.page(owner)}

    def _delete(self, item: Item, owner: str) -> Updates:
        self.studio.library.delete(owner, item.id)
        updates: Updates = {**self._shelf(owner), **self._say("deleted", item=item.id)}
        if item.kind in self.tabs:
            tab = self.tabs[item.kind]
            updates[tab.film] = cards(self.studio, owner, tab.kinds)
        return updates

    def _say(self, what: str, **values: Any) -> Updates:
        """A message back; the time makes two equal ones different."""
        return {self.element: {"do": what, "at": time.time(), **values}}


def begun_from(item: Item, method: str) -> dict[str, Any]:
    """The request for a picture that begins from ``item``, in its own words where it was made of any."""
    settings = item.recipe.get("settings", {}) if item.kind == "image" else {}
    return {"method": method, "source": item.digest, "prompt": settings.get("prompt"), "model": settings.get("model")}


def _nonsense(message: Any) -> StudioError:
    return StudioError("page.message", "The page asked for something there is not: {value}.", value=str(message)[:80])
