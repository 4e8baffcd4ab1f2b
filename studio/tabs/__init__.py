"""The page: header, one tab after the other, status strip, footer. No model code, nothing computed here."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.locales import i18n
from studio.settings import ASSETS
from studio.tabs.administration import AdministrationTab
from studio.tabs.answering import AnsweringPage
from studio.tabs.courier import Courier
from studio.tabs.gallery import name_things
from studio.tabs.library import LibraryTab
from studio.tabs.models import model_titles
from studio.tabs.parts import QUIET
from studio.tabs.tab import Tab
from studio.theme import AtelierTheme
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

MAKING = ("text", "image", "style", "training")
CSS = (
    "tokens",
    "icons",
    "page",
    "controls",
    "stage",
    "widgets",
    "brush",
    "painter",
    "training",
    "steering",
    "curves",
    "own",
    "library",
    "administration",
    "devices",
)


def build_page(studio: Studio) -> gr.Blocks:
    """The whole page. Builds in a fraction of a second: no weights are looked at, nothing heavy is imported."""
    name_things()
    page = AnsweringPage(title="Atelier", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400))
    with page:
        widget("header", "header", accounts=studio.accounts.required)
        with gr.Tabs(elem_id="pages", selected="text") as pages:
            tabs = {kind: _making(studio, kind) for kind in MAKING}
            with gr.Tab(i18n("tab.library"), id="library", elem_id="page-library") as shelf:
                library = LibraryTab(studio)
            if studio.accounts.required:
                _administration(studio, page)
        everything = _with_benches(tabs)
        Courier(studio, pages, everything, library)
        widget("strip", "status-strip", titles=model_titles(studio))
        widget("footer", "footer", version=_version())
        shelf.select(library.show, None, library.grid, **QUIET)
    return page


def _making(studio: Studio, kind: str) -> Tab:
    with gr.Tab(i18n(f"tab.{kind}"), id=kind, elem_id=f"page-{kind}"):
        tab = import_module(f"studio.tabs.{kind}").build(studio)
    if not isinstance(tab, Tab):
        raise TypeError(f"studio.tabs.{kind} builds no tab")
    return tab


def _administration(studio: Studio, page: gr.Blocks) -> None:
    """The tab that only administrators see."""
    with gr.Tab(
        i18n("tab.administration"), id="administration", elem_id="page-administration", visible=False
    ) as office:
        tab = AdministrationTab(studio)
    page.load(tab.reveal, None, office, **QUIET)
    office.select(tab.show, None, tab.panels, **QUIET)


def _with_benches(tabs: dict[str, Tab]) -> dict[str, Tab]:
    """The tabs and the benches inside them, by the kind of job they make."""
    training = tabs["training"]
    benches = (getattr(training, name, None) for name in ("sample", "explore"))
    further = {kind: tab for tab in tabs.values() for kind in tab.also}
    return {**tabs, **further, **{bench.kind: bench for bench in benches if isinstance(bench, Tab)}}


def page_options() -> dict[str, Any]:
    """What ``gr.mount_gradio_app`` needs to know of the page: theme, styles, scripts and languages."""
    return {
        "theme": AtelierTheme(),
        "css": "\n".join((ASSETS / "css" / f"{name}.css").read_text(encoding="utf-8") for name in CSS),
        "head": HEAD,
        "i18n": i18n,
        "footer_links": [],
    }


def _version() -> str:
    try:
        return version("atelier-studio")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0.1.0"


HEAD = """
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" type="image/svg+xml" href="assets/studio/icons/favicon.svg">
<script src="assets/studio/js/scheme.js"></script>
<script type="module" src="assets/studio/js/main.js"></script>
"""
